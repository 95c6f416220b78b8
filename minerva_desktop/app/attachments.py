"""Files that a person attaches to a message: read as text, or refused with the reason.

Blocking: `FileReading.run` belongs on another thread than the window's. Nothing is ever run, and
nothing but regular files is opened to be read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from minerva_desktop.app.attached_text import found_text
from minerva_desktop.app.pdf_text import PdfRefused, PdfText
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.import_media import MAX_TEXT_BYTES, image_facts
from minerva_desktop.chat.parts import PDF, FilePart
from minerva_desktop.errors import AttachmentError, os_reason
from minerva_desktop.library.display_text import one_line
from minerva_desktop.units import format_bytes

MAX_FILES = 50  # of one message
MAX_PDF_BYTES = 200_000_000
BYTES_PER_TOKEN = 4  # about; of English text, for an estimate before a model counts
SAMPLE = 20_000  # characters, that the rest of a text is taken to be like
IMAGE_SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".ico", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
NO_IMAGES = "it is an image, and the models that Minerva loads read text only"
_HEAD = 1_024  # bytes, in which a PDF's mark may be
# What is known not to be text, and what helps.
_OTHER_KINDS = {
    ".doc": "a Word document: save it as text or as a PDF",
    ".docx": "a Word document: save it as text or as a PDF",
    ".odt": "a text document of an office program: save it as text or as a PDF",
    ".pptx": "a presentation: save it as a PDF",
    ".xlsx": "a spreadsheet: save it as CSV",
    ".ods": "a spreadsheet: save it as CSV",
    ".zip": "an archive: attach the files in it",
    ".gz": "an archive: attach the files in it",
    ".gguf": "a model: drop it on the window, or open it with Ctrl+O",
}
_SPECIAL: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "it is a folder: attach the files in it"),
    (stat.S_ISFIFO, "it is a pipe, not a file"),
    (stat.S_ISSOCK, "it is a socket, not a file"),
    (stat.S_ISCHR, "it is a device, not a file"),
    (stat.S_ISBLK, "it is a device, not a file"),
)


class ReadFile(NamedTuple):
    """A file as a part of a message, and what has to be said about how it was read."""

    part: FilePart
    note: str = ""


class FileReading:
    """One file on its way in. ``on_page(done, total)``: how far a PDF is read; called on the
    thread of `run`. `cancel` may be called on any."""

    def __init__(self, path: Path, on_page: Callable[[int, int], None]) -> None:
        self._path = path
        self._pdf = PdfText(on_page, max_characters=MAX_TEXT_BYTES)

    def cancel(self) -> None:
        """Have `run` raise soon."""
        self._pdf.stop()

    def run(self) -> ReadFile:
        """Read it. Raises `AttachmentError` with the reason why not."""
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
        head = file.read(_HEAD)
        if not head:
            raise refusal(self._path, "it is empty")
        if b"%PDF-" in head:
            return self._read_pdf(file, size)
        if self._path.suffix.lower() in IMAGE_SUFFIXES or image_facts(head) is not None:
            raise refusal(self._path, NO_IMAGES)
        if size > MAX_TEXT_BYTES:
            self._refuse_size(size, MAX_TEXT_BYTES, head)
        # Files of the system say that they are empty, and some never end.
        content = head + file.read(MAX_TEXT_BYTES + 1 - len(head))
        if len(content) > MAX_TEXT_BYTES:
            self._refuse_size(None, MAX_TEXT_BYTES, head)
        found = found_text(content)
        if found is None:
            raise refusal(self._path, self._why_no_text())
        if not found.text.strip():
            raise refusal(self._path, "there is nothing in it but white space")
        part = FilePart(attached_name(self._path.name), clean_text(found.text), len(content))
        note = ""
        if found.is_guess:
            note = f"{part.name} is not UTF-8: it was read as {found.encoding}. Open it to check."
        return ReadFile(part, note)

    def _refuse_size(self, size: int | None, most: int, head: bytes) -> None:
        if self._path.suffix.lower() in _OTHER_KINDS or (b"\0" in head and not found_text(head)):
            raise refusal(self._path, self._why_no_text())
        has = f"it has {format_bytes(size)}" if size is not None else "it has more"
        raise refusal(self._path, f"{has}, and at most {format_bytes(most)} are read")

    def _why_no_text(self) -> str:
        kind = _OTHER_KINDS.get(self._path.suffix.lower())
        return f"it is {kind}" if kind is not None else "it is neither text nor a PDF"

    def _read_pdf(self, file: BinaryIO, size: int) -> ReadFile:
        if size > MAX_PDF_BYTES:
            self._refuse_size(size, MAX_PDF_BYTES, b"")
        file.seek(0)
        os.lseek(file.fileno(), 0, os.SEEK_SET)  # for the process that reads it
        try:
            text = self._pdf.read(file)
        except PdfRefused as error:
            raise refusal(self._path, str(error)) from error
        return ReadFile(FilePart(attached_name(self._path.name), clean_text(text), size, PDF))


def refusal(path: Path, reason: str) -> AttachmentError:
    """Why a file cannot be attached."""
    name = attached_name(path.name or str(path))
    return AttachmentError(f"“{name}” cannot be attached: {reason}.")


def attached_name(name: str) -> str:
    """A file's name as one line that can be shown; never empty."""
    return one_line(name) or "unnamed"


def estimated_tokens(text: str) -> int:
    """About how many tokens ``text`` has, for as long as no model counts them."""
    sample = text[:SAMPLE]
    per_character = len(sample.encode("utf-8", "replace")) / max(1, len(sample))
    return max(1, round(per_character * len(text) / BYTES_PER_TOKEN))


def pasted_part(text: str, taken: frozenset[str]) -> FilePart:
    """A long text from the clipboard as a file; ``taken`` are the names that others have."""
    clean = clean_text(text)
    name, number = "Pasted text", 1
    while name in taken:
        number += 1
        name = f"Pasted text {number}"
    return FilePart(name, clean, len(clean.encode()))


def _refuse_special(path: Path, mode: int) -> None:
    for is_kind, reason in _SPECIAL:
        if is_kind(mode):
            raise refusal(path, reason)
