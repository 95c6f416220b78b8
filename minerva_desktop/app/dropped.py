"""What was dropped on the window, or handed to the app, sorted by what becomes of it.

Blocking: it looks into the files.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minerva_desktop.app.folder_files import DATABASE_MAGIC, MAX_DEPTH, files_below

MODEL_SUFFIX = ".gguf"
ARCHIVE_SUFFIX = ".zip"
JSON_SUFFIX = ".json"
MAX_FOLDER_FILES = 20_000  # of a folder that are looked at by their names
MAX_FOLDER_JSON = 200  # and from within
_MAGIC = b"GGUF"
_HEAD = 64 * 1024  # bytes of a JSON file that are looked at
# What only the exports that can be imported hold: ours, ChatGPT's, LM Studio's.
_MARKS = ((b'"minerva-chats"',), (b'"mapping"',), (b'"messages"', b'"versions"'))

_TABLE = b"conversations"  # that of the chats, in the first page of their file


@dataclass
class Dropped:
    """Models go to the library, chats (and folders that hold some) are imported, backups (of all
    chats) can be restored, and the rest goes with the message. A folder without chats is told of
    where a model would be added, if it holds one, or else a file attached."""

    models: list[Path] = field(default_factory=list)
    chats: list[Path] = field(default_factory=list)
    backups: list[Path] = field(default_factory=list)
    attachments: list[Path] = field(default_factory=list)


def sorted_drop(paths: Sequence[Path]) -> Dropped:
    """By the files' endings, and where these do not say it, by what is in them."""
    dropped = Dropped()
    for path in paths:
        suffix = path.suffix.lower()
        if suffix == MODEL_SUFFIX:
            dropped.models.append(path)
        elif _is_folder(path):
            _place_of_folder(dropped, path).append(path)
        elif suffix == ARCHIVE_SUFFIX:
            dropped.chats.append(path)
        else:
            head = _head(path)
            if head.startswith(_MAGIC):
                dropped.models.append(path)
            elif head.startswith(DATABASE_MAGIC) and _TABLE in head:
                dropped.backups.append(path)
            elif suffix == JSON_SUFFIX and _holds_chats(head):
                dropped.chats.append(path)
            else:
                dropped.attachments.append(path)
    return dropped


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # not looked into: of a folder that is closed, on a drive that is gone
        return False


def _place_of_folder(dropped: Dropped, folder: Path) -> list[Path]:
    """By the first files below it: with chats among the first JSON files, with a model, or with
    neither."""
    files = [*itertools.islice(files_below(folder, MAX_DEPTH), MAX_FOLDER_FILES)]
    found = (path for path in files if path.suffix.lower() == JSON_SUFFIX)
    if any(_holds_chats(_head(path)) for path in itertools.islice(found, MAX_FOLDER_JSON)):
        return dropped.chats
    has_model = any(path.suffix.lower() == MODEL_SUFFIX for path in files)
    return dropped.models if has_model else dropped.attachments


def _holds_chats(head: bytes) -> bool:
    return any(all(mark in head for mark in marks) for marks in _MARKS)


def _head(path: Path) -> bytes:
    """Nothing of what is no regular file, or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""
