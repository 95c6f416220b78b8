"""A text in the colours of another theme, in which nothing has another place, or at another size:
what is in sight at once, the rest in slices, for a long answer takes a second.

`RichTextView` owns one, and so does a `CodeSheet`. Main thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from PySide6.QtGui import QRegion, QTextCharFormat, QTextCursor, QTextDocument

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.row_places import row_at_height, rows_in
from minerva_desktop.ui.chat_view.rows import Kind, Row, Run
from minerva_desktop.ui.chat_view.text_formats import TextFormats
from minerva_desktop.ui.chat_view.text_measures import TextMeasures

WRITING = 0.3  # of the time of a slice; then Qt lays out and paints what was written
LONG = 200  # rows of a text that is resized in slices
ROUNDING = 1.2  # by which more of it may be in sight, for fonts have whole px


class Recolouring:
    """Of what ``writer`` writes into ``document``. ``seen`` returns what of it is in sight, px."""

    def __init__(
        self, document: QTextDocument, writer: DocumentWriter, seen: Callable[[], QRegion]
    ) -> None:
        self._document = document
        self._writer = writer
        self._seen = seen
        self._late: list[range] = []  # rows that have the look of before, in order
        self._seen_rows = range(0)  # before another size moved them
        self._resizes = False  # whether the late ones may have the size of before, too

    @property
    def has_work(self) -> bool:
        """Whether something has the look of before."""
        return bool(self._late)

    @property
    def moves_text(self) -> bool:
        """Whether `work` would find something to do that gives the text below another place."""
        return self._resizes and bool(self._late)

    @property
    def can_resize(self) -> bool:
        """Whether `resize` will do: for a long text without tables, which Qt lays out as a whole,
        and without tabs, whose stops all of it has in common."""
        rows = self._writer.rows
        return len(rows) > LONG and not any(
            row.kind is Kind.TABLE or any("\t" in run.text for run in row.runs) for row in rows
        )

    def begin(self, formats: TextFormats) -> bool:
        """Use ``formats``, if they differ in colours alone; whether they do."""
        before = self._writer.formats
        self._resizes = self.moves_text
        self._late.clear()
        self._seen_rows = rows_in(self._document, self._writer, self._seen().boundingRect())
        if (formats.measures, formats.font) != (before.measures, before.font):
            return False
        self._writer.use_colours(formats)
        self._begin(self._seen_rows)
        return True

    def resize(self, before: TextMeasures) -> None:
        """Use the size that the writer has now, ``before`` which it had another: at once where that
        is seen, and where it will be, if more of the text is in sight then."""
        seen, n_rows = self._seen_rows, len(self._writer.rows)
        growth = before.percent / self._writer.formats.measures.percent
        more = 1 + math.ceil(len(seen) * max(0.0, ROUNDING * growth - 1))
        self._resizes = True
        self._begin(range(max(0, seen.start - more), min(n_rows, seen.stop + more)))

    def _begin(self, at_once: range) -> None:
        if self._writer.rows:
            self._late = [range(len(self._writer.rows))]
            if at_once:
                self._write(at_once, time.perf_counter() + 3600)

    def work(self, seconds: float) -> None:
        """Go on for about ``seconds``, with what is nearest to what is in sight."""
        deadline = time.perf_counter() + WRITING * seconds
        top = self._seen().boundingRect().top()
        at = row_at_height(self._document, self._writer, top)
        rows = min(self._late, key=lambda rows: max(rows.start - at, at - rows.stop, 0))
        self._write(
            rows[::-1] if rows.stop <= at else range(max(at, rows.start), rows.stop), deadline
        )

    def _write(self, rows: range, deadline: float) -> None:
        """Give the first of ``rows`` their look, one at least."""
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
        if self._resizes:
            self._writer.lay_out(cursor, index)
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
