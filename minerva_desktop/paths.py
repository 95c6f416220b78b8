"""Where Minerva keeps things. ``MINERVA_HOME`` puts all of it into one folder."""

from __future__ import annotations

import getpass
import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import platformdirs

from minerva_desktop.errors import StoreError

HOME_VARIABLE = "MINERVA_HOME"
BACKUPS = "backups"
_APP_NAME = "Minerva Desktop"
_PRIVATE_FILE, _OTHERS = 0o600, 0o077
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile("\0([0-9a-f]{4})")


class AppPaths(msgspec.Struct, frozen=True):
    """The folders and files of one user. Made by `app_paths`; any thread."""

    data: Path
    config: Path
    logs: Path

    @property
    def database(self) -> Path:
        """Chats."""
        return self.data / "chats.sqlite3"

    @property
    def backups(self) -> Path:
        """Copies of them. Made when needed."""
        return self.data / BACKUPS

    @property
    def catalog(self) -> Path:
        """The list of models that the user added."""
        return self.data / "models.json"

    @property
    def new_chat_files(self) -> Path:
        """Files that wait in the composer of a chat without messages."""
        return self.data / "new-chat-files.json"

    @property
    def snapshots(self) -> Path:
        """What the engines keep of long chats, so that these go on at once. Made when needed."""
        return self.data / "snapshots"

    @property
    def measured_memory(self) -> Path:
        """What loads of models took on this machine."""
        return self.data / "measured-memory.json"

    @property
    def settings(self) -> Path:
        """Settings, window geometry included."""
        return self.config / "settings.json"

    @property
    def presets(self) -> Path:
        """Presets and snippets."""
        return self.config / "presets.json"

    @property
    def api_keys(self) -> Path:
        """Digests of the keys that HTTP clients show."""
        return self.config / "api-keys.json"

    def create(self) -> None:
        """Make the folders, for this user only, and close to others what an older Minerva made for
        all. Raises `OSError`."""
        for folder in (self.data, self.config, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":  # elsewhere access lists decide, and those of a profile are right
            for folder in (self.data, self.backups, self.config, self.logs):
                _close_to_others(folder, spare=self.api_keys)


def private_opener(path: str, flags: int) -> int:
    """What `open` takes as its ``opener``: a file that it makes is for this user only, from its
    first moment."""
    return os.open(path, flags, _PRIVATE_FILE)


def make_private(path: Path) -> None:
    """Make an empty file for this user only where there is none: a library that makes its files
    itself would make it for all. What is wrong with the place, that will say."""
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE))


def _close_to_others(folder: Path, spare: Path) -> None:
    """``folder`` and the files right in it; by name, as SQLite loses its locks on a file that is
    opened and closed beside it. A link, and what is another user's, stays as it is; so does
    ``spare``, whose reader closes it and says what that may mean."""
    with suppress(OSError):  # not there, not for this user to look into, on a disk without modes
        _close_one(folder, folder.lstat(), stat.S_IFDIR)
        with os.scandir(folder) as entries:
            for each in entries:
                if each.name != spare.name:
                    _close_one(each, each.stat(follow_symlinks=False), stat.S_IFREG)


def _close_one(path: os.PathLike[str], status: os.stat_result, kind: int) -> None:
    mode = status.st_mode
    if stat.S_IFMT(mode) == kind and mode & _OTHERS and status.st_uid == os.geteuid():
        Path(path).chmod(stat.S_IMODE(mode) & ~_OTHERS)


def path_text(path: Path) -> str:
    """``path`` as JSON, SQLite and Qt can hold it; `path_of` makes it a path again.

    The text of a path whose bytes are no UTF-8 has lone surrogates, which none of these takes:
    ``\\0dcff`` instead. No path holds a zero byte of its own, so this is unambiguous.
    """
    return _SURROGATE.sub(lambda match: f"\0{ord(match[0]):04x}", str(path))


def path_of(text: str) -> Path:
    """The path that `path_text` made ``text`` of."""
    return Path(_ESCAPED_SURROGATE.sub(lambda match: chr(int(match[1], 16)), text))


def app_paths() -> AppPaths:
    """The folders of this user, or those under ``MINERVA_HOME``. Raises `StoreError` where the
    system names no home folder: a service or a container may run as a user without one."""
    home = os.environ.get(HOME_VARIABLE)
    if home:
        root = expanded(home).absolute()
        return AppPaths(data=root / "data", config=root / "config", logs=root / "logs")
    folders = platformdirs.PlatformDirs(_APP_NAME, appauthor=False)
    try:
        return AppPaths(
            data=folders.user_data_path,
            config=folders.user_config_path,
            logs=folders.user_log_path,
        )
    except RuntimeError as error:
        raise StoreError(
            "This user has no home folder to keep settings and chats in. Set HOME, or"
            f" {HOME_VARIABLE} to a folder for all of it"
        ) from error


def expanded(path: str | Path) -> Path:
    """``path`` with the home folder in place of ``~``; as it is where nobody has such a folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def may_exist(path: Path) -> bool:
    """Whether there is something at ``path``. Also where nobody can tell, for it lies in a folder
    that this user may not enter, or its name is too long: who reads it learns why it cannot be."""
    try:
        return path.exists()
    except OSError:
        return True


def user_name() -> str:
    """Who runs this; empty where the system has no name for them, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def resources_dir() -> Path:
    """Icons and other data: inside the frozen app, or beside the package in a checkout."""
    frozen = getattr(sys, "_MEIPASS", None)
    root = Path(frozen) if frozen else Path(__file__).resolve().parent.parent
    return root / "resources"
