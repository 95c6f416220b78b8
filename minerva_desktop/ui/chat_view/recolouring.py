"""A text in the colours of another theme, in which nothing has another place: what is in sight at
once, the rest in slices, for a long answer takes a second.

`RichTextView` owns one, and so does a `CodeSheet`. Main thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QRegion, QTextCharFormat, QTextCursor, QTextDocument

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.rows import Kind, Row, Run
from minerva_desktop.ui.chat_view.text_formats import TextFormats

WRITING = 0.3  # of the time of a slice; then Qt lays out and paints what was written


class Recolouring:
    """Of what ``writer`` writes into ``document``. ``seen`` returns what of it is in sight, px."""

    def __init__(
        self, document: QTextDocument, writer: DocumentWriter, seen: Callable[[], QRegion]
    ) -> None:
        self._document = document
        self._writer = writer
        self._seen = seen
        self._late: list[range] = []  # rows that have the colours of before, in order

    @property
    def has_work(self) -> bool:
        """Whether something has the colours of before."""
        return bool(self._late)

    def begin(self, formats: TextFormats) -> bool:
        """Use ``formats``, if they differ in colours alone; whether they do."""
        before = self._writer.formats
        self._late.clear()
        if (formats.measures, formats.font) != (before.measures, before.font):
            return False
        self._writer.use_colours(formats)
        if self._writer.rows:
            self._late.append(range(len(self._writer.rows)))
            seen = self._seen().boundingRect()
            first, last = self._row_at(seen.top()), self._row_at(seen.bottom())
            if not seen.isEmpty():
                self._write(range(first, last + 1), time.perf_counter() + 3600)
        return True

    def work(self, seconds: float) -> None:
        """Go on for about ``seconds``, with what is nearest to what is in sight."""
        deadline = time.perf_counter() + WRITING * seconds
        at = self._row_at(self._seen().boundingRect().top())
        rows = min(self._late, key=lambda rows: max(rows.start - at, at - rows.stop, 0))
        self._write(
            rows[::-1] if rows.stop <= at else range(max(at, rows.start), rows.stop), deadline
        )

    def _row_at(self, y: float) -> int:
        hit = self._document.documentLayout().hitTest(QPointF(0, y), Qt.HitTestAccuracy.FuzzyHit)
        return self._writer.row_at(self._document.findBlock(max(0, hit)))

    def _write(self, rows: range, deadline: float) -> None:
        """Give the first of ``rows`` their colours, one at least."""
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()
        n_done = 0
        for index in rows:
            if index < len(self._writer.rows):  # it may have got shorter since
                self._write_row(cursor, index)
            n_done += 1
            if time.perf_counter() > deadline:
                break
        cursor.endEditBlock()
        done = sorted((rows[0], rows[n_done - 1]))
        self._late = [
            part
            for late in self._late
            for part in (
                range(late.start, min(late.stop, done[0])),
                range(max(late.start, done[1] + 1), late.stop),
            )
            if part
        ]

    def _write_row(self, cursor: QTextCursor, index: int) -> None:
        row, formats = self._writer.rows[index], self._writer.formats
        block = self._writer.block(index)
        if row.kind is Kind.TABLE:
            self._writer.tables.recolour(index, row, formats)
            for column, runs in enumerate(row.cells):
                cell = self._document.findBlockByNumber(block.blockNumber() + column)
                self._write_runs(cursor, cell.position(), runs, row)
            return
        place = block.position()
        cursor.setPosition(place)
        cursor.setBlockCharFormat(formats.row(row))
        if row.marker:
            place = _colour(cursor, place, len(row.marker) + 1, formats.marker())
        self._write_runs(cursor, place, row.runs, row)

    def _write_runs(self, cursor: QTextCursor, place: int, runs: tuple[Run, ...], row: Row) -> None:
        header = row.kind is Kind.TABLE and row.first
        formulas = self._writer.formulas
        for run in runs:
            look = formulas.look(run, self._writer.formats.run(run, row, header=header))
            place = _colour(cursor, place, formulas.length(run), look)


def work_some(recolourings: Iterable[Recolouring], seconds: float) -> bool:
    """Go on with one of them for about ``seconds``; whether something is left."""
    late = [each for each in recolourings if each.has_work]
    if late:
        late[0].work(seconds)
    return any(each.has_work for each in late)


def _colour(cursor: QTextCursor, place: int, length: int, look: QTextCharFormat) -> int:
    """Give ``length`` characters from ``place`` on that look; where they end."""
    cursor.setPosition(place)
    cursor.setPosition(place + length, QTextCursor.MoveMode.KeepAnchor)
    cursor.setCharFormat(look)
    return place + length
