"""The files in which engines keep the states of chats: their names and their budget of bytes.

One file a chat, in a folder for each model as it was loaded. The engine children write them
(`core.snapshots`), the app deletes those of chats that are gone. Any thread; all calls touch the
disk, and none raises when it refuses: a state that is lost is computed again.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from pathlib import Path

from minerva_desktop.errors import InvalidRequest

_log = logging.getLogger(__name__)

_SUFFIX = ".kv"
_LABEL = "model.txt"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CRASHED_SECONDS = 3600.0  # another model's process may be writing a younger one


def check_name(name: str) -> None:
    """Raise `InvalidRequest` for what is no plain file name."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest("snapshot must be 1 to 64 letters, digits, _ or -", param="snapshot")


class SnapshotFiles:
    """The folder of all models' snapshots."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, identity: str, name: str) -> Path:
        """The file of chat ``name`` for the model ``identity``."""
        return self._folder / identity / (name + _SUFFIX)

    @property
    def folder(self) -> Path:
        """Where they are: a folder for each model, which comes with its first state."""
        return self._folder

    def label(self, identity: str, model: str) -> None:
        """Note that the states of ``identity`` are of the model file of that name. Raises
        `OSError`."""
        path = self._folder / identity / _LABEL
        if not path.exists():
            path.write_text(model, encoding="utf-8", errors="replace")

    def chats_of(self) -> dict[str, set[str]]:
        """The chats of which there is a state, by the name of the model's file. What nobody has
        labelled is left out."""
        found: dict[str, set[str]] = {}
        for label in self._folder.glob(f"*/{_LABEL}"):
            with suppress(OSError):  # another process may just have deleted it
                chats = found.setdefault(label.read_text(encoding="utf-8", errors="replace"), set())
                chats.update(file.stem for file in label.parent.glob(f"*{_SUFFIX}"))
        return found

    def remove(self, name: str) -> None:
        """Delete the states of chat ``name``, whatever models it was had with."""
        for file in self._folder.glob(f"*/{name}{_SUFFIX}"):
            _delete(file)

    def remove_model(self, model: str) -> None:
        """Delete the states of all chats with the model whose file has that name."""
        for label in self._folder.glob(f"*/{_LABEL}"):
            with suppress(OSError):  # another process may just have deleted it
                if label.read_text(encoding="utf-8", errors="replace") == model:
                    for file in label.parent.glob(f"*{_SUFFIX}"):
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


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("The state of a chat cannot be deleted: %s", error)
