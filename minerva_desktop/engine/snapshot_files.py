"""The files in which engines keep the states of chats: their names and their budget of bytes.

One file a chat, in a folder for each model as it was loaded. The engine children write them
(`core.snapshots`), the app deletes those of chats that are gone. Any thread; all calls touch the
disk, and none raises when it refuses: a state that is lost is computed again.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from minerva_desktop import __version__
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.paths import path_of, path_text

_log = logging.getLogger(__name__)

_SUFFIX = ".kv"
_LABEL = "model.json"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CRASHED_SECONDS = 3600.0  # another model's process may be writing a younger one


def check_name(name: str) -> None:
    """Raise `InvalidRequest` for what is no plain file name."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest("snapshot must be 1 to 64 letters, digits, _ or -", param="snapshot")


class _Label(msgspec.Struct, frozen=True):
    """The model of a folder's states: its file, as `path_text`, of ``size`` bytes, changed at
    ``changed_ns`` of Unix time, and the version of the program that loaded it."""

    file: str
    size: int
    changed_ns: int
    version: str

    @property
    def model(self) -> str:
        """The name of its file, as SQLite can hold it."""
        return clean_text(path_of(self.file).name)

    def holds(self) -> bool:
        """Whether the file and the program are still the same."""
        try:
            status = path_of(self.file).stat()
        except OSError:
            return False
        now = (status.st_size, status.st_mtime_ns, __version__)
        return now == (self.size, self.changed_ns, self.version)


class SnapshotFiles:
    """The folder of all models' snapshots."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, identity: str, name: str) -> Path:
        """The file of chat ``name`` for the model ``identity``."""
        return self._folder / identity / (name + _SUFFIX)

    @property
    def folder(self) -> Path:
        """Where they are: a folder for each model, which comes with its first load."""
        return self._folder

    def label(self, identity: str, model: Path, *, is_loaded: bool) -> None:
        """Note that the states of ``identity`` are of the file ``model`` as it is now. Where it
        ``is_loaded`` so that these count unless a request asks for others, they are those that
        the next load is likely to find, until another label says so. Raises `OSError`."""
        path = self._folder / identity / _LABEL
        if not is_loaded and path.exists():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = model.stat()
        version = __version__ if is_loaded else ""
        label = _Label(path_text(model.absolute()), status.st_size, status.st_mtime_ns, version)
        _write(path, label)
        if not is_loaded:
            os.utime(path, (0, 0))

    def doubt(self, model: str) -> None:
        """The model whose file has that name is loaded otherwise from now on: whether its next load
        finds its states is not known before."""
        for path, label in self._labels():
            if label.model == model:
                with suppress(OSError):
                    _write(path, msgspec.structs.replace(label, version=""))

    def chats_of(self) -> dict[str, set[str]]:
        """The chats whose states the next load of a model will find, by the name of its file: those
        of its last load, if the file and this program are as they were then. What nobody has
        labelled is left out."""
        newest: dict[str, tuple[int, Path, _Label]] = {}
        for path, label in self._labels():
            with suppress(OSError):  # another process may just have deleted it
                at = path.stat().st_mtime_ns
                if label.model not in newest or newest[label.model][0] <= at:
                    newest[label.model] = (at, path.parent, label)
        return {
            model: {file.stem for file in folder.glob(f"*{_SUFFIX}")} if label.holds() else set()
            for model, (_, folder, label) in newest.items()
        }

    def _labels(self) -> Iterator[tuple[Path, _Label]]:
        for path in self._folder.glob(f"*/{_LABEL}"):
            with suppress(OSError, msgspec.DecodeError):
                yield path, msgspec.json.decode(path.read_bytes(), type=_Label)

    def remove(self, name: str) -> None:
        """Delete the states of chat ``name``, whatever models it was had with."""
        for file in self._folder.glob(f"*/{name}{_SUFFIX}"):
            _delete(file)

    def remove_model(self, model: str) -> None:
        """Delete the states of all chats with the model whose file has that name."""
        for path, label in self._labels():
            if label.model == model:
                for file in path.parent.glob(f"*{_SUFFIX}"):
                    _delete(file)

    def shrink(self, max_bytes: int, *, spare: Path | None = None) -> None:
        """Delete what was not used for longest until at most ``max_bytes`` are left, and what a
        crash left half-written. ``spare`` neither counts nor goes."""
        for leftover in self._folder.glob("*/*.partial"):
            with suppress(OSError):
                if leftover.stat().st_mtime < time.time() - _CRASHED_SECONDS:
                    _delete(leftover)
        files = []
        for file in self._folder.glob(f"*/*{_SUFFIX}"):
            with suppress(OSError):  # another process may just have deleted it
                if file != spare:
                    files.append((file, file.stat()))
        held = sum(status.st_size for _, status in files)
        for file, status in sorted(files, key=lambda item: item[1].st_mtime_ns):
            if held <= max_bytes:
                return
            _delete(file)
            held -= status.st_size


def _write(path: Path, label: _Label) -> None:
    """As a whole: others read it meanwhile."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(msgspec.json.encode(label))
    partial.replace(path)


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("The state of a chat cannot be deleted: %s", error)
