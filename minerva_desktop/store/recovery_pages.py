"""Reading rows from the pages of a file whose first page, or whose schema, is gone.

SQLite then reads nothing of it. The pages that hold a table's rows can be told without it, and what
is on them is in SQLite's documented file format (https://sqlite.org/fileformat2.html); which table
a row is of shows in the number and the kinds of its values. Pure but for reading the file, which
nobody has open.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PAGE = 4096  # SQLite's default, which no file of ours departs from
LEAF = 0x0D  # a page with a table's rows
FIRST_HEADER = 100  # bytes in front of the first page's own header
MAX_LOCAL = PAGE - 35
MIN_LOCAL = (PAGE - 12) * 32 // 255 - 23
MAX_ROW_BYTES = 100_000_000
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value = None | int | float | str | bytes


def rows_of(path: Path) -> Iterator[tuple[int, list[Value]]]:
    """The number and the values of each row of each table. Raises `OSError`."""
    with path.open("rb") as file:
        for number in range(path.stat().st_size // PAGE):
            file.seek(number * PAGE)
            page = file.read(PAGE)
            start = FIRST_HEADER if number == 0 else 0
            if page[start] != LEAF:
                continue
            n_rows = int.from_bytes(page[start + 3 : start + 5])
            for place in range(start + 8, min(start + 8 + 2 * n_rows, PAGE - 1), 2):
                offset = int.from_bytes(page[place : place + 2])
                try:
                    yield _row(file, page, offset)
                except (ValueError, IndexError, struct.error):
                    continue  # damaged, or no such page after all


def _row(file: BinaryIO, page: bytes, offset: int) -> tuple[int, list[Value]]:
    n_bytes, offset = _varint(page, offset)
    rowid, offset = _varint(page, offset)
    if not 0 < n_bytes <= MAX_ROW_BYTES:
        raise ValueError("no row has such a size")
    n_here = n_bytes
    if n_bytes > MAX_LOCAL:
        n_here = MIN_LOCAL + (n_bytes - MIN_LOCAL) % (PAGE - 4)
        if n_here > MAX_LOCAL:
            n_here = MIN_LOCAL
    payload = bytearray(page[offset : offset + n_here])
    if n_here < n_bytes:
        following = int.from_bytes(page[offset + n_here : offset + n_here + 4])
        while following and len(payload) < n_bytes:
            file.seek((following - 1) * PAGE)
            more = file.read(PAGE)
            following = int.from_bytes(more[:4])
            payload += more[4 : 4 + n_bytes - len(payload)]
    if len(payload) < n_bytes:
        raise ValueError("the row goes on behind the end of the file")
    return _signed(rowid), _values(bytes(payload))


def _values(payload: bytes) -> list[Value]:
    n_header, place = _varint(payload, 0)
    data = n_header
    values: list[Value] = []
    while place < n_header:
        kind, place = _varint(payload, place)
        size = _INTEGER_BYTES.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        content = payload[data : data + size]
        if len(content) < size:
            raise ValueError("the row is cut short")
        data += size
        values.append(_value(kind, content))
    return values


def _value(kind: int, content: bytes) -> Value:
    if kind == 0:
        return None
    if kind in _INTEGER_BYTES:
        return int.from_bytes(content, signed=True)
    if kind == 7:
        number: float = struct.unpack(">d", content)[0]
        return number
    if kind in {8, 9}:
        return kind - 8
    if kind < 12:
        raise ValueError("no value is of this kind")
    return content.decode("utf-8", "replace") if kind % 2 else content


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of up to nine bytes, and the place behind it."""
    number = 0
    for n in range(8):
        byte = data[place + n]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + n + 1
    return number << 8 | data[place + 8], place + 9


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
