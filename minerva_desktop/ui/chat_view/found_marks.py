"""Marks what was found in one text. Main thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextEdit

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.icons import Icons


class FoundMarks:
    """``view`` shows what ``writer`` writes, in the theme of ``icons``. What is not there any more
    is left out: an answer may have changed since it was searched."""

    def __init__(self, view: QTextEdit, writer: DocumentWriter, icons: Icons) -> None:
        self._view = view
        self._writer = writer
        self._icons = icons
        self._matches: Sequence[Match] = ()
        self._current: int | None = None

    def show(self, matches: Sequence[Match], current: int | None) -> None:
        """Mark ``matches``, and the ``current`` one of them."""
        self._matches, self._current = matches, current
        theme = self._icons.theme
        selections = []
        for number, match in enumerate(matches):
            cursor = self.cursor(match)
            if cursor is None:
                continue
            is_current = number == current
            marked = QTextCharFormat()
            marked.setBackground(QColor(theme.accent if is_current else theme.found))
            marked.setForeground(QColor(theme.on_accent if is_current else theme.text))
            selection = QTextEdit.ExtraSelection()
            selection.format = marked
            selection.cursor = cursor
            selections.append(selection)
        self._view.setExtraSelections(selections)

    def restyle(self) -> None:
        """Use the colours of the theme in force, and the places of the text as it is now."""
        if self._matches:
            self.show(self._matches, self._current)

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
