"""Marks what was found in one text. Main thread."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextEdit

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.row_places import rows_in
from minerva_desktop.ui.icons import Icons

# Marks at a time, unless more are in sight: 2,000 took 0.1 s, and that again with each step to the
# next of them.
MOST = 150


class FoundMarks:
    """``view`` shows what ``writer`` writes, in the theme of ``icons``. What is not there any more
    is left out: an answer may have changed since it was searched. Of many only those around what
    is in sight are marked."""

    def __init__(self, view: QTextEdit, writer: DocumentWriter, icons: Icons) -> None:
        self._view = view
        self._writer = writer
        self._icons = icons
        self._matches: Sequence[Match] = ()
        self._current: int | None = None
        self._marked = range(0)  # of the matches
        self._rows = range(0)  # in which all are marked

    def show(self, matches: Sequence[Match], current: int | None) -> None:
        """Mark ``matches``, which are in the order of the text, and the ``current`` one of them."""
        self._matches, self._current = matches, current
        self._mark()

    def restyle(self) -> None:
        """Use the colours of the theme in force, and the places of the text as it is now."""
        if self._matches:
            self._mark()

    def follow(self) -> None:
        """The view is being painted: what is in sight may be another part of it than before."""
        if len(self._marked) < len(self._matches):
            seen = rows_in(self._view.document(), self._writer, self._seen)
            if seen and (seen.start < self._rows.start or seen.stop > self._rows.stop):
                self._mark()

    def cursor(self, match: Match) -> QTextCursor | None:
        """What selects it; None where it is not there any more."""
        if not self._writer.has(match.row, match.cell):
            return None
        cursor = QTextCursor(self._view.document())
        begin = self._writer.position(match.row, match.cell, match.start, begins=True)
        cursor.setPosition(begin)
        end = self._writer.position(match.row, match.cell, match.end)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        return cursor

    def _mark(self) -> None:
        self._choose()
        theme = self._icons.theme
        usual, current = _look(theme.found, theme.text), _look(theme.accent, theme.on_accent)
        selections = []
        here = () if self._current is None else (self._current,)
        for number in sorted({*self._marked, *here}):
            cursor = self.cursor(self._matches[number])
            if cursor is not None:
                selection = QTextEdit.ExtraSelection()
                selection.format = current if number == self._current else usual
                selection.cursor = cursor
                selections.append(selection)
        self._view.setExtraSelections(selections)

    def _choose(self) -> None:
        """Mark all that are in sight, and of the others the nearest."""
        if len(self._matches) <= MOST:
            self._marked = range(len(self._matches))
            return
        seen = rows_in(self._view.document(), self._writer, self._seen)
        first, stop = (
            bisect_left(self._matches, (row, 0, 0, 0, 0)) for row in (seen.start, seen.stop)
        )
        more = max(0, MOST - (stop - first)) // 2
        self._marked = range(max(0, first - more), min(len(self._matches), stop + more))
        begins = self._marked.start == 0
        ends = self._marked.stop == len(self._matches)
        self._rows = range(
            0 if begins else self._matches[self._marked.start - 1].row + 1,
            len(self._writer.rows) if ends else self._matches[self._marked.stop].row,
        )

    @property
    def _seen(self) -> QRect:
        """Of the view."""
        return self._view.viewport().visibleRegion().boundingRect()


def _look(ground: str, text: str) -> QTextCharFormat:
    made = QTextCharFormat()
    made.setBackground(QColor(ground))
    made.setForeground(QColor(text))
    return made
