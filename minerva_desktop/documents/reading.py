"""A document as text: a text file in any common encoding, or the text of a PDF.

Blocking: `DocumentReading.read` belongs on another thread than the window's or the endpoint's.
Nothing is ever run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import BinaryIO, NamedTuple

from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.import_media import MAX_TEXT_BYTES, image_facts
from minerva_desktop.chat.parts import PDF
from minerva_desktop.documents.attached_text import found_text
from minerva_desktop.documents.pdf_text import PdfText
from minerva_desktop.documents.refusal import DocumentRefused
from minerva_desktop.units import format_bytes

MAX_PDF_BYTES = 200_000_000
PLAIN = "text/plain"
IMAGE_SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".ico", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
NO_IMAGES = "it is an image, and the models that Minerva loads read text only"
HEAD = 1_024  # bytes, in which a PDF's mark may be
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


class ReadDocument(NamedTuple):
    """What is in a document of ``n_bytes``. ``guess``: the encoding that it was read in, where
    its bytes do not say which, and are no UTF-8."""

    text: str
    n_bytes: int
    media_type: str = PLAIN
    guess: str = ""


class DocumentReading:
    """One document on its way in. ``name`` is what its file is called, whose ending tells what is
    neither text nor a PDF; ``on_page(done, total)``: how far a PDF is read, called on the thread
    of `read`. `stop` may be called on any."""

    def __init__(
        self,
        name: str,
        on_page: Callable[[int, int], None],
        *,
        max_characters: int = MAX_TEXT_BYTES,
    ) -> None:
        """``max_characters``: of its text, at most, and as many bytes of a text file."""
        self._suffix = PurePath(name).suffix.lower()
        self._max_characters = max_characters
        self._pdf = PdfText(on_page, max_characters=max_characters)

    def stop(self) -> None:
        """Have `read` raise soon."""
        self._pdf.stop()

    def read(self, file: BinaryIO, size: int) -> ReadDocument:
        """The text of ``file`` from where it stands, which for a PDF has a descriptor; ``size`` in
        bytes, as far as its system knows. Raises `DocumentRefused` with the reason why not, and
        `OSError`."""
        head = file.read(HEAD)
        if not head:
            raise DocumentRefused("it is empty")
        if is_pdf(head):
            return self._read_pdf(file, size)
        if self._suffix in IMAGE_SUFFIXES or image_facts(head) is not None:
            raise DocumentRefused(NO_IMAGES)
        if size > self._max_characters:
            self._refuse_size(size, self._max_characters, head)
        # Files of the system say that they are empty, and some never end.
        content = head + file.read(self._max_characters + 1 - len(head))
        if len(content) > self._max_characters:
            self._refuse_size(None, self._max_characters, head)
        found = found_text(content)
        if found is None:
            raise DocumentRefused(self._why_no_text())
        if not found.text.strip():
            raise DocumentRefused("there is nothing in it but white space")
        guess = found.encoding if found.is_guess else ""
        return ReadDocument(clean_text(found.text), len(content), guess=guess)

    def _refuse_size(self, size: int | None, most: int, head: bytes) -> None:
        if self._suffix in _OTHER_KINDS or (b"\0" in head and not found_text(head)):
            raise DocumentRefused(self._why_no_text())
        raise DocumentRefused(too_much(size, most))

    def _why_no_text(self) -> str:
        kind = _OTHER_KINDS.get(self._suffix)
        return f"it is {kind}" if kind is not None else "it is neither text nor a PDF"

    def _read_pdf(self, file: BinaryIO, size: int) -> ReadDocument:
        if size > MAX_PDF_BYTES:
            self._refuse_size(size, MAX_PDF_BYTES, b"")
        file.seek(0)
        os.lseek(file.fileno(), 0, os.SEEK_SET)  # for the process that reads it
        return ReadDocument(clean_text(self._pdf.read(file)), size, PDF)


def is_pdf(head: bytes) -> bool:
    """Whether a file that begins so, with `HEAD` bytes of it, is a PDF."""
    return b"%PDF-" in head


def too_much(size: int | None, most: int) -> str:
    """Why a document of ``size`` bytes, where that is known, gives no text; follows a colon."""
    has = f"it has {format_bytes(size)}" if size is not None else "it has more"
    return f"{has}, and at most {format_bytes(most)} are read"
