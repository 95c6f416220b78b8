"""Reads the files that requests bring, as the window reads what is attached: text in any common
encoding, and the text of PDFs, each in a process of its own, which gets it as a temporary file.

On the endpoint's asyncio loop; the reading itself is done in threads. No name and no address that
comes with a file is ever opened.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import tempfile
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_to_bytes

from minerva_desktop.chat.import_media import MAX_TEXT_BYTES
from minerva_desktop.chat.parts import FilePart, file_as_text
from minerva_desktop.documents.reading import (
    HEAD,
    NO_IMAGES,
    DocumentReading,
    ReadDocument,
    is_pdf,
)
from minerva_desktop.documents.refusal import DocumentRefused
from minerva_desktop.errors import InvalidRequest, os_reason
from minerva_desktop.server.errors import FileUnreadable
from minerva_desktop.server.parameters.files import GivenFile
from minerva_desktop.units import format_bytes

PDFS_AT_ONCE = 2  # each is a process that computes, and may take 2 GB
# Characters that are decoded at once, whole groups of four of base64: no other thread runs
# meanwhile, for 2 ms at most.
_PIECE = 128 * 1024


class FileReader:
    """For all requests of one endpoint."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(PDFS_AT_ONCE)

    async def texts(self, files: Sequence[GivenFile]) -> dict[str, str]:
        """What a model reads of each, by where it stands. Ends what it began when it is cancelled.
        Raises `InvalidRequest` that names the field, for the first that cannot be read and for
        more text than a request may bring, and `FileUnreadable`."""
        texts: dict[str, str] = {}
        room = MAX_TEXT_BYTES  # characters, of all together
        for file in files:
            try:
                if room <= 0:
                    most = format_bytes(MAX_TEXT_BYTES)
                    raise DocumentRefused(f"with those before it, it has more than {most} of text")
                found = await self._read(file, room)
            except DocumentRefused as error:
                raise InvalidRequest(
                    f"{file.where}: “{file.name}” cannot be read: {error}", param=file.where
                ) from error
            except OSError as error:
                raise FileUnreadable(
                    f"{file.where}: “{file.name}” cannot be read on the machine that serves, whose"
                    f" temporary folder and processes it takes: {os_reason(error)}. See to that"
                    " there, and ask again",
                    param=file.where,
                ) from error
            room -= len(found.text)
            part = FilePart(file.name, found.text, found.n_bytes, found.media_type)
            texts[file.where] = await asyncio.to_thread(file_as_text, part)
        return texts

    async def _read(self, file: GivenFile, room: int) -> ReadDocument:
        if file.is_text:
            return _sent_text(file.data, room)
        content = await asyncio.to_thread(_content, file.data)
        reading = DocumentReading(file.name, lambda _done, _total: None, max_characters=room)
        if not is_pdf(content[:HEAD]):
            return await asyncio.to_thread(reading.read, io.BytesIO(content), len(content))
        async with self._slots:
            try:
                return await asyncio.to_thread(_read_pdf, reading, content)
            except asyncio.CancelledError:
                reading.stop()
                raise


def _read_pdf(reading: DocumentReading, content: bytes) -> ReadDocument:
    """From a file without a name, for the process that reads it. Blocking."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return reading.read(file, len(content))


def _sent_text(text: str, room: int) -> ReadDocument:
    n_bytes = len(text.encode())
    if n_bytes > room:
        raise DocumentRefused(
            f"it has {format_bytes(n_bytes)}, and at most {format_bytes(room)} are read"
        )
    if not text.strip():
        raise DocumentRefused("there is nothing in it but white space" if text else "it is empty")
    return ReadDocument(text, n_bytes)


def _content(data: str) -> bytes:
    """The bytes of a data: URL (RFC 2397), or of base64. Blocking: 8 MB take a moment."""
    if data[:5].lower() != "data:":
        return _decoded(data)
    head, comma, body = data[5:].partition(",")
    if not comma:
        raise DocumentRefused("its data: URL has no comma, behind which the data would be")
    media_type, *parameters = (each.strip().lower() for each in head.split(";"))
    if media_type.startswith("image/"):
        raise DocumentRefused(NO_IMAGES)
    if "base64" not in parameters[-1:]:
        return _unquoted(body)
    return _decoded(_unquoted(body).decode("latin-1"))


def _unquoted(text: str) -> bytes:
    pieces = []
    at = 0
    while at < len(text):
        end = at + _PIECE
        if (escape := text.rfind("%", end - 2, end)) >= 0:
            end = escape  # which is not cut in two
        pieces.append(unquote_to_bytes(text[at:end]))
        at = end
    return b"".join(pieces)


def _decoded(text: str) -> bytes:
    """Of base64 in either alphabet, in lines or not, padded or not."""
    solid = ("".join(piece.split()) for piece in _pieces(text))
    plain = "".join(piece.replace("-", "+").replace("_", "/") for piece in solid).rstrip("=")
    plain += "=" * (-len(plain) % 4)
    try:
        return b"".join(base64.b64decode(piece, validate=True) for piece in _pieces(plain))
    except (binascii.Error, ValueError):
        raise DocumentRefused("its data are no base64") from None


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
