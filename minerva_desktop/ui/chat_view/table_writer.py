"""Writes the tables of a text document, row by row. Main thread.

A long table is a pile of short ones: Qt lays a whole table out anew for each row that it gets, so
a row in a table of 300 took 40 ms. The columns of all parts have the same widths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from PySide6.QtCore import QRectF
from PySide6.QtGui import QTextCursor, QTextDocument, QTextLength, QTextTable

from minerva_desktop.ui.chat_view.formula_runs import FormulaRuns
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.table_columns import TableColumns
from minerva_desktop.ui.chat_view.text_formats import (
    TextFormats,
    cell_format,
    separator_formats,
    table_format,
)
from minerva_desktop.ui.chat_view.text_measures import TextMeasures

PART_CELLS = 45  # of one part, about
LEAST_ROWS = 5  # of one part, unless it has more text
MOST_CELLS = 60  # of one part all the same, where a row has not more
PART_TEXT = 2_000  # characters of one part, above which no row more goes into it


@dataclass(slots=True)
class _Part:
    """``begin`` is the number of its first row, ``head`` that of its table's head."""

    begin: int
    head: int
    left: int
    table: QTextTable
    columns: TableColumns
    sizes: list[int] = field(default_factory=list)  # characters of each row
    width: float = 0.0  # px

    @property
    def measures(self) -> TextMeasures:
        """Those that it was written with."""
        return self.columns.formats.measures

    @property
    def is_full(self) -> bool:
        """Whether the next row has to begin another part."""
        n_columns = self.table.columns()
        n_most = max(PART_CELLS // n_columns, min(LEAST_ROWS, MOST_CELLS // n_columns), 1)
        return len(self.sizes) >= n_most or sum(self.sizes) > PART_TEXT


class TableWriter:
    """Of one document; `DocumentWriter` owns it and knows the rows."""

    def __init__(self, document: QTextDocument, formulas: FormulaRuns) -> None:
        self._document = document
        self._formulas = formulas
        self._parts: list[_Part] = []
        self._fitted = -1.0  # px of text that the parts are laid out in
        self._stale_from = 0  # part

    def append(
        self, cursor: QTextCursor, row: Row, above: Row | None, index: int, formats: TextFormats
    ) -> int:
        """Write ``row``, which is number ``index``, at ``cursor``, the end; its first block."""
        part = self._parts[-1] if self._parts and not row.first and above is not None else None
        if part is None:
            part = self._begin_part(cursor, row, above, index, TableColumns(formats), index)
        elif part.is_full:
            _set_bottom(part.table, 0)
            part = self._begin_part(cursor, row, row, index, part.columns, part.head)
        else:
            part.table.appendRows(1)
        if part.columns.add(row) and not row.first:
            self._stale_from = min(self._stale_from, self._first_part(part.head))
        part.sizes.append(_size(row))
        line = part.table.rows() - 1
        self._fill(part.table, line, row, formats)
        return part.table.cellAt(line, 0).firstCursorPosition().blockNumber()

    def recolour(self, index: int, row: Row, formats: TextFormats) -> None:
        """Use the colours of ``formats`` for the lines of ``row``, which is number ``index``."""
        part = self._part_of(index)
        _set_lines(part.table, index - part.begin, row, formats)

    def keeps_parts(self, index: int, row: Row) -> bool:
        """Whether each row stays in its part where number ``index`` becomes ``row``."""
        part = self._part_of(index)
        size = sum(part.sizes)
        return max(size, size - part.sizes[index - part.begin] + _size(row)) <= PART_TEXT

    def change(self, index: int, row: Row) -> None:
        """``row``, which is number ``index``, was changed in its cells."""
        part = self._part_of(index)
        part.sizes[index - part.begin] = _size(row)
        if part.columns.change(index - part.head, row):
            self._stale_from = min(self._stale_from, self._first_part(part.head))

    def truncate(self, cursor: QTextCursor, index: int) -> None:
        """Leave of the last table the rows before ``index``, and nothing below but the empty block
        that has to be there."""
        self.drop(index)
        part = self._parts[-1]
        self.clear_below(cursor)
        n_rows = part.table.rows() - (index - part.begin)
        if n_rows > 0:
            part.table.removeRows(index - part.begin, n_rows)
        del part.sizes[index - part.begin :]
        part.columns.truncate(index - part.head)
        self._stale_from = min(self._stale_from, self._first_part(part.head))

    def drop(self, index: int) -> None:
        """The tables from row ``index`` on are gone."""
        while self._parts and self._parts[-1].begin >= index:
            self._parts.pop()
        self._stale_from = min(self._stale_from, len(self._parts))

    def clear_below(self, cursor: QTextCursor) -> None:
        """Leave nothing after the last table but the empty block that has to be there."""
        cursor.setPosition(self._parts[-1].table.lastPosition() + 1)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        if cursor.hasSelection():
            cursor.removeSelectedText()
        _separate(cursor)
        self.leave_below(0)

    def leave_below(self, gap: float) -> None:
        """What follows the last table, if there is one, has so many px above it: Qt does not obey
        the margin of a paragraph there."""
        if self._parts:
            part = self._parts[-1]
            _set_bottom(part.table, part.measures.table_bottom + gap)

    def fit(self, width: float) -> None:
        """Give the columns that may be others now their widths, in a text of ``width`` px."""
        first = self._stale_from if width == self._fitted else 0
        self._fitted, self._stale_from = width, len(self._parts)
        head, widths = -1, list[float]()
        for part in self._parts[first:] if width > 0 else ():
            if part.head != head:
                head, widths = part.head, part.columns.widths(width - part.left)
            _set_widths(part.table, widths)
            part.width = sum(widths)

    def wide(self) -> Iterator[tuple[int, QRectF, int]]:
        """Of each table that is wider than the text: the number of its first row, where it would be
        if it were not (px of the document), and by how many px it is."""
        rect_of = self._document.documentLayout().frameBoundingRect
        at = 0
        while at < len(self._parts):
            first = last = self._parts[at]
            while at < len(self._parts) and self._parts[at].head == first.head:
                last = self._parts[at]
                at += 1
            room = self._fitted - first.left
            if first.width > room + 1:
                # Qt's rectangle begins below the margin above, whose height it has all the same.
                top, foot = rect_of(first.table).top(), rect_of(last.table)
                format_ = last.table.format()
                bottom = foot.bottom() - format_.topMargin() - format_.bottomMargin()
                area = QRectF(first.left, top, room, bottom - top)
                yield first.head, area, round(first.width - room)

    def _part_of(self, index: int) -> _Part:
        return next(part for part in reversed(self._parts) if part.begin <= index)

    def _first_part(self, head: int) -> int:
        return next(at for at, part in enumerate(self._parts) if part.head == head)

    def _begin_part(
        self,
        cursor: QTextCursor,
        row: Row,
        above: Row | None,
        index: int,
        columns: TableColumns,
        head: int,
    ) -> _Part:
        if above is None:
            _separate(cursor)
        measures = columns.formats.measures
        table = cursor.insertTable(1, len(row.cells), table_format(row, above, measures))
        end = QTextCursor(self._document)
        end.movePosition(QTextCursor.MoveOperation.End)
        _separate(end)
        part = _Part(index, head, measures.left_margin(row.nest), table, columns)
        self._parts.append(part)
        self._stale_from = min(self._stale_from, len(self._parts) - 1)
        return part

    def _fill(self, table: QTextTable, line: int, row: Row, formats: TextFormats) -> None:
        """Write the cells of ``row`` into line number ``line`` of ``table``."""
        _set_lines(table, line, row, formats)
        blocks = {align: formats.cell_block(align) for align in set(row.align)}
        for column, runs in enumerate(row.cells):
            cursor = table.cellAt(line, column).firstCursorPosition()
            cursor.setBlockFormat(blocks[row.align[column]])
            for run in runs:
                self._formulas.insert(cursor, run, formats.run(run, row, header=row.first))


def _size(row: Row) -> int:
    return sum(len(run.text) for runs in row.cells for run in runs)


def _set_lines(table: QTextTable, line: int, row: Row, formats: TextFormats) -> None:
    """Give the cells of line number ``line`` of ``table`` the lines below them."""
    last = len(row.cells) - 1
    inner, outer = (
        cell_format(formats, last + 1, column, header=row.first) for column in (0, last)
    )
    for column in range(last + 1):
        table.cellAt(line, column).setFormat(outer if column == last else inner)


def _set_bottom(table: QTextTable, margin: float) -> None:
    format_ = table.format()
    if format_.bottomMargin() != margin:
        format_.setBottomMargin(margin)
        table.setFormat(format_)


def _set_widths(table: QTextTable, widths: list[float]) -> None:
    format_ = table.format()
    fixed = QTextLength.Type.FixedLength
    wanted = [QTextLength(fixed, width) for width in widths]
    if format_.columnWidthConstraints() != wanted:
        format_.setColumnWidthConstraints(wanted)
        format_.setWidth(QTextLength(fixed, sum(widths)))
        table.setFormat(format_)


def _separate(cursor: QTextCursor) -> None:
    layout, text = separator_formats()
    cursor.setBlockFormat(layout)
    cursor.setBlockCharFormat(text)
