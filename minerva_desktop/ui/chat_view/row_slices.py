"""The part of a text that is selected, as rows: cut where the selection begins and ends.

Main thread.
"""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace
from PySide6.QtGui import QTextBlock, QTextCursor

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run, runs_text


def selected_rows(writer: DocumentWriter, cursor: QTextCursor) -> list[Row]:
    """What ``cursor`` selects of the document of ``writer``. Words out of one row are nothing but
    text; of more than one row, each keeps what it is. A table's row is whole unless the selection
    stays in one of its cells, or in some of its columns, and has the table's head above it."""
    rows = _rows_between(writer, cursor)
    if cursor.hasComplexSelection():
        columns = marked_columns(cursor)
        cut = (replace(row, cells=row.cells[columns], align=row.align[columns]) for row in rows)
        return list(cut)
    return rows


def marked_columns(cursor: QTextCursor) -> slice:
    """The columns of a table in which ``cursor`` selects several cells."""
    # PySide answers with first row, number of rows, and the same of columns; its stubs say
    # otherwise.
    _, _, first, count = cast(tuple[int, int, int, int], cursor.selectedTableCells())
    return slice(first, first + count)


def _rows_between(writer: DocumentWriter, cursor: QTextCursor) -> list[Row]:
    """The same, but of tables all columns."""
    if not writer.rows or not cursor.hasSelection():
        return []
    start, end = cursor.selectionStart(), cursor.selectionEnd()
    first = writer.row_at(cursor.document().findBlock(start))
    last = writer.row_at(cursor.document().findBlock(end))
    if first == last:
        return _within(writer, first, start, end)
    if start == 0 and end >= cursor.document().characterCount() - 1:
        return list(writer.rows)
    cut = [(at, _cut(writer, at, start, end)) for at in range(first, last + 1)]
    # Of the outer ones there may be nothing but an end or a beginning.
    kept = [
        (at, row)
        for at, row in cut
        if row.kind is Kind.TABLE or runs_text(row.runs) or not runs_text(writer.rows[at].runs)
    ]
    return _bounded(writer, kept)


def _within(writer: DocumentWriter, at: int, start: int, end: int) -> list[Row]:
    row, block = writer.rows[at], writer.block(at)
    if row.kind is Kind.TABLE:
        first, last = (_cell(writer, at, position) for position in (start, end))
        if first == last:
            begin = writer.position(at, first, 0)
            runs = _cut_runs(writer, row.cells[first], start - begin, end - begin)
            return [Row(Kind.TEXT, runs)]
        return _bounded(writer, [(at, row)])
    if start <= block.position() and end >= block.position() + block.length() - 1:
        return _bounded(writer, [(at, row)])
    words = _cut(writer, at, start, end).runs
    if row.kind is Kind.CODE:
        words = (Run(runs_text(words), Mark.CODE),)
    return [Row(Kind.PLAIN if row.kind is Kind.PLAIN else Kind.TEXT, words)]


def _cell(writer: DocumentWriter, at: int, position: int) -> int:
    n_cells = len(writer.rows[at].cells)
    begins = [writer.position(at, cell, 0) for cell in range(n_cells)]
    return max(0, sum(begin <= position for begin in begins) - 1)


def _cut(writer: DocumentWriter, at: int, start: int, end: int) -> Row:
    """What is between ``start`` and ``end`` of row ``at``; of a table's row all."""
    row = writer.rows[at]
    if row.kind is Kind.TABLE:
        return row
    block: QTextBlock = writer.block(at)
    begin = block.position() + _marker_length(row)
    runs = _cut_runs(writer, row.runs, start - begin, end - begin)
    if runs == row.runs:
        return row
    # A piece of a long line has no end of its own.
    raw = runs_text(runs) + "\n" * row.raw.endswith("\n") if row.kind is Kind.CODE else ""
    return replace(row, runs=runs, raw=raw)


def _cut_runs(
    writer: DocumentWriter, runs: tuple[Run, ...], start: int, end: int
) -> tuple[Run, ...]:
    """``start`` and ``end`` are counted as the document does, in UTF-16 and from the first run."""
    cut = []
    position = 0
    for run in runs:
        length = writer.length(run)
        low, high = max(0, start - position), min(length, end - position)
        position += length
        if low >= high:
            continue
        if (low, high) == (0, length) or Mark.FORMULA in run.mark:
            cut.append(run)  # a formula is whole or it is none
        else:
            units = run.text.encode("utf-16-le")[2 * low : 2 * high]
            cut.append(run._replace(text=units.decode("utf-16-le", "replace")))
    return tuple(cut)


def _marker_length(row: Row) -> int:
    return len(row.marker) + 1 if row.marker else 0


def _bounded(writer: DocumentWriter, kept: list[tuple[int, Row]]) -> list[Row]:
    """Give code that begins or ends inside its box a box, and a table without its head that."""
    rows: list[Row] = []
    for number, (at, row) in enumerate(kept):
        if row.kind is Kind.CODE:
            begins = number == 0 or row.first
            ends = number == len(kept) - 1 or row.last
            label = writer.rows[_box_start(writer, at)].label if begins else ""
            rows.append(replace(row, first=begins, last=ends, label=label))
            continue
        if row.kind is Kind.TABLE and not row.first and number == 0:
            rows.append(writer.rows[_box_start(writer, at)])
        rows.append(row)
    return rows


def _box_start(writer: DocumentWriter, at: int) -> int:
    while not writer.rows[at].first and at > 0:
        at -= 1
    return at
