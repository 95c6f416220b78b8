"""Files that a person attaches to a message: read as text, or refused with the reason.

Blocking: `FileReading.run` belongs on another thread than the window's. Nothing is ever run, and
nothing but regular files is opened to be read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.import_media import MAX_TEXT_BYTES
from minerva_desktop.chat.parts import MAX_FILES, FilePart
from minerva_desktop.documents.reading import DocumentReading, too_much
from minerva_desktop.documents.refusal import DocumentRefused
from minerva_desktop.errors import AttachmentError, os_reason
from minerva_desktop.library.display_text import one_line

BYTES_PER_TOKEN = 4  # about; of English text, for an estimate before a model counts
FRAME_TOKENS = 8  # about, of the fences around a text, beside its name
FOLDER = "it is a folder: attach the files in it"
TOO_MANY = f"a message takes {MAX_FILES} files at most"
SAMPLE = 20_000  # characters, that the rest of a text is taken to be like
_SPECIAL: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, FOLDER),
    (stat.S_ISFIFO, "it is a pipe, not a file"),
    (stat.S_ISSOCK, "it is a socket, not a file"),
    (stat.S_ISCHR, "it is a device, not a file"),
    (stat.S_ISBLK, "it is a device, not a file"),
)


class FileRefused(AttachmentError):
    """A file that cannot be attached, and why, in words that follow a colon."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"“{name}” cannot be attached: {reason}.")
        self.reason = reason


class ReadFile(NamedTuple):
    """A file as a part of a message, and what has to be said about how it was read."""

    part: FilePart
    note: str = ""


class FileReading:
    """One file on its way in. ``on_page(done, total)``: how far a PDF is read; called on the
    thread of `run`. `cancel` may be called on any."""

    def __init__(self, path: Path, on_page: Callable[[int, int], None]) -> None:
        self._path = path
        self._document = DocumentReading(path.name, on_page)

    def cancel(self) -> None:
        """Have `run` raise soon."""
        self._document.stop()

    def run(self) -> ReadFile:
        """Read it. Raises `FileRefused` with the reason why not."""
        try:
            _refuse_special(self._path, self._path.stat().st_mode)
            # Not to wait where a pipe was put in its place just now.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(self._path, flags), "rb") as file:
                facts = os.fstat(file.fileno())
                _refuse_special(self._path, facts.st_mode)
                return self._read(file, facts.st_size)
        except OSError as error:
            raise refusal(self._path, os_reason(error)) from error
        except ValueError as error:  # a zero byte in the path
            raise refusal(self._path, "its name makes no sense") from error

    def _read(self, file: BinaryIO, size: int) -> ReadFile:
        try:
            found = self._document.read(file, size)
        except DocumentRefused as error:
            raise refusal(self._path, str(error)) from error
        name = attached_name(self._path.name)
        note = ""
        if found.guess:
            note = f"{name} is not UTF-8: it was read as {found.guess}. Open it to check."
        return ReadFile(FilePart(name, found.text, found.n_bytes, found.media_type), note)


def refusal(path: Path, reason: str) -> FileRefused:
    """Why a file cannot be attached."""
    return FileRefused(attached_name(path.name or str(path)), reason)


def refusal_words(refused: Sequence[FileRefused], n_wanted: int) -> str:
    """Of several of ``n_wanted`` files, one sentence: with the reason, where it is that of all."""
    reasons = {error.reason for error in refused}
    if reasons == {FOLDER}:
        return f"{len(refused):,} folders cannot be attached: attach the files in them."
    kinds = "files and folders" if FOLDER in reasons else "files"
    words = f"{len(refused):,} of {n_wanted:,} {kinds} cannot be attached"
    if reasons == {TOO_MANY}:
        return f"{words}: {TOO_MANY}."
    return f"{words}, each because {reasons.pop()}." if len(reasons) == 1 else f"{words}."


def attached_name(name: str) -> str:
    """A file's name as one line that can be shown; never empty."""
    return one_line(name) or "unnamed"


def estimated_tokens(part: FilePart) -> int:
    """About how many tokens ``part`` has as models read it, where none has counted them."""
    text, sample = part.text, part.text[:SAMPLE]
    per_character = len(sample.encode("utf-8", "replace")) / max(1, len(sample))
    n_bytes = per_character * len(text) + len(part.name)
    return FRAME_TOKENS + round(n_bytes / BYTES_PER_TOKEN)


def pasted_part(text: str, taken: frozenset[str]) -> FilePart:
    """A long text from the clipboard as a file; ``taken`` are the names that others have. Raises
    `FileRefused` for one that is longer than a file may be."""
    clean = clean_text(text)
    name, number = "Pasted text", 1
    while name in taken:
        number += 1
        name = f"Pasted text {number}"
    n_bytes = len(clean.encode())
    if n_bytes > MAX_TEXT_BYTES:
        raise refusal(Path(name), too_much(n_bytes, MAX_TEXT_BYTES))
    return FilePart(name, clean, n_bytes)


def _refuse_special(path: Path, mode: int) -> None:
    for is_kind, reason in _SPECIAL:
        if is_kind(mode):
            raise refusal(path, reason)
