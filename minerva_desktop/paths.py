"""Where Minerva keeps things. ``MINERVA_HOME`` puts all of it into one folder."""

from __future__ import annotations

import getpass
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from minerva_desktop.errors import StoreError

HOME_VARIABLE = "MINERVA_HOME"
_APP_NAME = "Minerva Desktop"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile("\0([0-9a-f]{4})")


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The folders and files of one user. Made by `app_paths`; any thread."""

    data: Path
    config: Path
    logs: Path

    @property
    def database(self) -> Path:
        """Chats."""
        return self.data / "chats.sqlite3"

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
        """Make the folders, for this user only. Raises `OSError`."""
        for folder in (self.data, self.config, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


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
