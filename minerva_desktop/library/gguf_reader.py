"""Steps through the bytes of a GGUF header, checking every step before it is taken.

Used by `gguf` alone. It reads the file in chunks: no memory map, because a file that shrinks
under a map ends the process, and because only a few megabytes of a large file are header.
"""

from __future__ import annotations

import struct
from itertools import repeat
from typing import BinaryIO

from minerva_desktop.errors import ModelLoadError
from minerva_desktop.library.gguf_types import U32, U64
from minerva_desktop.units import format_bytes

Scalar = int | float | bool | str

CHUNK_BYTES = 1 << 20
# Together these bound the work for any file: the largest vocabularies have 262,144 tokens and
# about as many merges, in headers of 20 MB.
MAX_HEADER_BYTES = 256 * 10**6
MAX_LISTED_TEXTS = 4_000_000
# A single character beyond the first 65,536 makes Python keep a text with four bytes for each.
MAX_TEXT_BYTES = 8 * 10**6
# Some converters put a whole tokenizer in JSON, 30 MB, under one key that nobody reads.
MAX_VALUE_BYTES = 10**6


class HeaderReader:
    """A position in a header that only moves forward. Raises `ModelLoadError`. One thread.

    Attributes:
        name: what sentences call the file.
        position: in bytes from the start of the file.
    """

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        self.name = name
        self.position = 0
        self._stream = stream
        self._size = size
        self._buffer = b""
        self._buffer_start = 0
        self._text_bytes_left = MAX_TEXT_BYTES
        self._listed_texts_left = MAX_LISTED_TEXTS

    def u32(self) -> int:
        """The next four bytes."""
        return int(self.number(U32))

    def u64(self) -> int:
        """The next eight bytes."""
        return int(self.number(U64))

    def number(self, layout: struct.Struct) -> int | float | bool:
        """The next value of a fixed size."""
        at = self._pass(layout.size)
        value: int | float | bool = layout.unpack_from(self._buffer, at)[0]
        return value

    def text(self, what: str, max_bytes: int) -> str:
        """A length and as many bytes of UTF-8; what is not UTF-8 becomes U+FFFD.

        ``what`` names it in the sentence that refuses more than ``max_bytes``.
        """
        length = self.u64()
        self._require(length)
        if length > max_bytes:
            raise self.damaged(f"{what} is {format_bytes(length)} long")
        return self._read_text(length)

    def text_value(self) -> str | None:
        """A text like `text`, but None instead of one that is too long to be worth keeping."""
        length = self.u64()
        self._require(length)
        if length > MAX_VALUE_BYTES:
            self.skip(length)
            return None
        return self._read_text(length)

    def count(self, what: str, limit: int, bytes_each: int) -> int:
        """A number of things that each take at least ``bytes_each`` bytes of the header."""
        number = self.u64()
        if number > limit:
            raise self.damaged(f"it claims to have {number:,} {what} (limit {limit:,})")
        self._require(number * bytes_each)
        return number

    def peek(self, n_bytes: int) -> bytes:
        """Up to ``n_bytes`` from here on, without moving."""
        self._stream.seek(self.position)
        return self._stream.read(n_bytes)

    def skip(self, n_bytes: int) -> None:
        """Move over ``n_bytes`` without reading them."""
        self._require(n_bytes)
        self.position += n_bytes

    def skip_texts(self, count: int) -> int:
        """Move over ``count`` texts, and say how many bytes they have together: the one loop that
        runs once per token of a vocabulary."""
        start = self.position
        self._require(count * U64.size)
        if count > self._listed_texts_left:
            raise self.damaged(f"it lists {count:,} texts (limit {MAX_LISTED_TEXTS:,})")
        self._listed_texts_left -= count
        length_at = U64.unpack_from
        buffer, at = self._buffer, self.position - self._buffer_start
        for _ in repeat(None, count):
            try:
                (length,) = length_at(buffer, at)
            except (struct.error, OverflowError):
                # Past the end of the buffer: of this chunk, or of the file if a length lied.
                self.position = self._buffer_start + at
                buffer, at = self._fill(U64.size), 0
                (length,) = length_at(buffer, at)
            at += length + 8
        self.position = self._buffer_start + at
        self._require(0)
        return self.position - start - count * U64.size

    def check_whole(self, needed: int) -> None:
        """Raise unless the file has ``needed`` bytes."""
        n_missing = needed - self._size
        if n_missing > 0:
            be = "is" if n_missing == 1 else "are"
            raise ModelLoadError(
                f"{self.name} is cut off: it should be {format_bytes(needed)}, but the last "
                f"{format_bytes(n_missing)} {be} missing. Download it again.",
                detail=f"{self._size:,} of {needed:,} bytes are there",
            )

    def damaged(self, what: str) -> ModelLoadError:
        """The error to raise when the file contradicts itself."""
        return ModelLoadError(f"{self.name} is damaged: {what}.", detail=self.place())

    def place(self) -> str:
        """Where the reader stands, for experts."""
        return f"at byte {self.position:,} of {self._size:,}"

    def _read_text(self, length: int) -> str:
        if length > self._text_bytes_left:
            raise self.damaged(f"it holds more than {format_bytes(MAX_TEXT_BYTES)} of text")
        self._text_bytes_left -= length
        at = self._pass(length)
        return self._buffer[at : at + length].decode("utf-8", "replace")

    def _pass(self, n_bytes: int) -> int:
        """Move over ``n_bytes`` and return where they begin in the buffer."""
        at = self.position - self._buffer_start
        if at + n_bytes > len(self._buffer):
            self._fill(n_bytes)
            at = 0
        self.position += n_bytes
        return at

    def _fill(self, n_bytes: int) -> bytes:
        """Make the buffer begin here and hold at least ``n_bytes``."""
        self._require(n_bytes)
        self._stream.seek(self.position)
        self._buffer = self._stream.read(max(n_bytes, CHUNK_BYTES))
        self._buffer_start = self.position
        if len(self._buffer) < n_bytes:
            raise self.damaged("it became shorter while it was read")
        return self._buffer

    def _require(self, n_bytes: int) -> None:
        end = self.position + n_bytes
        if end > self._size:
            raise ModelLoadError(
                f"{self.name} is cut off or damaged: its header goes on after the end of the "
                f"file ({format_bytes(self._size)}).",
                detail=self.place(),
            )
        if end > MAX_HEADER_BYTES:
            raise self.damaged(
                "its header is larger than any model needs "
                f"(limit {format_bytes(MAX_HEADER_BYTES)})"
            )
