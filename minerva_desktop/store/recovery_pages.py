"""Reading rows from the pages of a file whose tree is damaged, or whose schema is gone.

SQLite reads a table up to the first damage, and nothing of a file without its first page. The pages
that hold rows can be told without it, and what is on them is in SQLite's documented file format
(https://sqlite.org/fileformat2.html); which table a row is of shows in the number and the kinds of
its values. Pure but for reading the file and its write-ahead log, which nobody has open.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

PAGE = 4096  # SQLite's default, which no file of ours departs from
MAGIC = b"SQLite format 3\0"
TABLE_LEAF = 0x0D  # a page with a table's rows
# Pages with an index's entries, and how many bytes are in front of each on them.
INDEX_PAGES = {0x0A: 0, 0x02: 4}
FIRST_HEADER = 100  # bytes in front of the first page's own header
MAX_LOCAL = PAGE - 35
MIN_LOCAL = (PAGE - 12) * 32 // 255 - 23
MAX_INDEX_LOCAL = (PAGE - 12) * 64 // 255 - 23
MAX_ROW_BYTES = 100_000_000
LOG_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
LOG_HEADER, FRAME_HEADER = 32, 24
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_DAMAGE = (ValueError, IndexError, struct.error)  # or no such page after all

Value = None | int | float | str | bytes


def rows_of(path: Path) -> Iterator[tuple[int, list[Value]]]:
    """The number and the values of each row of each table. Raises `OSError`."""
    with ExitStack() as files:
        pages = _Pages(path, files)
        for page, start in pages.in_use():
            if page[start] == TABLE_LEAF:
                for offset in _places(page, start, 8):
                    with suppress(*_DAMAGE):
                        yield _row(pages, page, offset)


def index_entries_of(path: Path) -> Iterator[list[Value]]:
    """The values of each entry of each index, but for very long ones: the columns, and the number
    of the row. Raises `OSError`."""
    with ExitStack() as files:
        for page, start in _Pages(path, files).in_use():
            if page[start] in INDEX_PAGES:
                before = INDEX_PAGES[page[start]]
                for offset in _places(page, start, 8 + before):
                    with suppress(*_DAMAGE):
                        n_bytes, place = _varint(page, offset + before)
                        if n_bytes <= MAX_INDEX_LOCAL:
                            yield _values(page[place : place + n_bytes])


class _Pages:
    """All pages of a file, those that its log has from there."""

    def __init__(self, path: Path, files: ExitStack) -> None:
        self._file = files.enter_context(path.open("rb"))
        self._in_log: dict[int, int] = {}
        self._n_pages = path.stat().st_size // PAGE
        log = path.with_name(path.name + "-wal")
        if log.exists():
            self._log = files.enter_context(log.open("rb"))
            self._in_log = _committed(self._log)
            self._n_pages = max(self._n_pages, *self._in_log, 0)

    def page(self, number: int) -> bytes:
        """The first is 1; b"" for one that is not there."""
        place = self._in_log.get(number)
        file = self._file if place is None else self._log
        file.seek((number - 1) * PAGE if place is None else place)
        content = file.read(PAGE)
        return content if len(content) == PAGE else b""

    def in_use(self) -> Iterator[tuple[bytes, int]]:
        """Each page that is there, and where its own header begins."""
        free = self._free()
        for number in range(1, self._n_pages + 1):
            page = self.page(number)
            if page and number not in free:
                yield page, FIRST_HEADER if number == 1 else 0

    def _free(self) -> set[int]:
        """Pages with what was deleted; none are known where the first page is damaged."""
        first = self.page(1)
        free: set[int] = set()
        trunk = int.from_bytes(first[32:36]) if first.startswith(MAGIC) else 0
        while 0 < trunk <= self._n_pages and trunk not in free:
            page = self.page(trunk)
            free.add(trunk)
            n_leaves = min(int.from_bytes(page[4:8]), PAGE // 4 - 2)
            leaves = struct.unpack_from(f">{n_leaves}I", page, 8) if page else ()
            if any(not 0 < leaf <= self._n_pages for leaf in leaves):
                break  # this page is damaged itself
            free.update(leaves)
            trunk = int.from_bytes(page[:4])
        return free


def _committed(log: BinaryIO) -> dict[int, int]:
    """Where in a write-ahead log the last state of each page is that a transaction wrote whole."""
    header = log.read(LOG_HEADER)
    found: dict[int, int] = {}
    if header[:4] not in LOG_MAGICS or int.from_bytes(header[8:12]) != PAGE:
        return found
    uncommitted: dict[int, int] = {}
    while len(frame := log.read(FRAME_HEADER)) == FRAME_HEADER and frame[8:16] == header[16:24]:
        uncommitted[int.from_bytes(frame[:4])] = log.tell()
        if len(log.read(PAGE)) < PAGE:
            break
        if int.from_bytes(frame[4:8]):  # the last of a transaction
            found |= uncommitted
            uncommitted.clear()
    return found


def _places(page: bytes, start: int, n_header: int) -> Iterator[int]:
    """Where on a page its rows, or entries, are."""
    n_rows = int.from_bytes(page[start + 3 : start + 5])
    first = start + n_header
    for place in range(first, min(first + 2 * n_rows, PAGE - 1), 2):
        yield int.from_bytes(page[place : place + 2])


def _row(pages: _Pages, page: bytes, offset: int) -> tuple[int, list[Value]]:
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
            more = pages.page(following)
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
