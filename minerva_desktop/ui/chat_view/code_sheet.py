"""A code box whose long lines are not wrapped: it lies over the box, and scrolls sideways.

Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPalette,
    QTextCursor,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QTextEdit, QWidget

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.found_marks import FoundMarks
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.recolouring import Recolouring
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.selected_text import selected_text
from minerva_desktop.ui.chat_view.sideways_bar import sideways_turn
from minerva_desktop.ui.chat_view.text_formats import TextFormats
from minerva_desktop.ui.icons import Icons

BAR_HEIGHT = 8  # px, which fit under the code
MARGIN = 24  # px beside what is brought into sight
# Of the transcript, which scrolls up and down.
_OTHERS_KEYS = (
    QKeySequence.StandardKey.MoveToNextLine,
    QKeySequence.StandardKey.MoveToPreviousLine,
    QKeySequence.StandardKey.MoveToNextPage,
    QKeySequence.StandardKey.MoveToPreviousPage,
    QKeySequence.StandardKey.MoveToStartOfDocument,
    QKeySequence.StandardKey.MoveToEndOfDocument,
)
_BY_KEYBOARD = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)


class CodeSheet(QTextEdit):
    """Shows the rows of one box, on the colour of code."""

    def __init__(self, icons: Icons, formats: TextFormats, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setObjectName("codeSheet")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QTextEdit.LineWrapMode.NoWrap)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.horizontalScrollBar().setFixedHeight(BAR_HEIGHT)
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._has_ring = False
        self._writer = DocumentWriter(self.document(), formats)
        self._found = FoundMarks(self, self._writer, icons)
        seen = self.viewport().visibleRegion  # which hides the sheet's own
        self.recolouring = Recolouring(self.document(), self._writer, seen)
        self._current: Match | None = None
        option = self.document().defaultTextOption()
        option.setWrapMode(option.WrapMode.NoWrap)
        self.document().setDefaultTextOption(option)
        self._paint_ground(formats)

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show all of a box, of which ``rows`` are the lines."""
        is_new = not self._writer.rows
        self._writer.apply(Update(0, [replace(row, nest="") for row in rows]))
        if is_new:  # text that is put in took the caret along, and the view goes where that is
            caret = self.textCursor()
            caret.setPosition(0)
            self.setTextCursor(caret)
        frame = self.document().rootFrame().frameFormat()
        if frame.topMargin() > 0:  # the header is not covered
            frame.setTopMargin(0)
            self.document().rootFrame().setFrameFormat(frame)

    def show_found(self, matches: Sequence[Match], current: int | None) -> None:
        """Mark ``matches``, and the ``current`` one of them."""
        self._found.show(matches, current)
        self._current = None if current is None else matches[current]

    def reveal_found(self) -> None:
        """Bring the current match into sight sideways."""
        cursor = None if self._current is None else self._found.cursor(self._current)
        if cursor is None:
            return
        rect, bar, shown = self.cursorRect(cursor), self.horizontalScrollBar(), self.rect()
        beyond = max(0, rect.right() + MARGIN - shown.right())
        bar.setValue(bar.value() + (beyond or min(0, rect.left() - MARGIN)))

    def restyle(self, formats: TextFormats) -> None:
        """Use other colours, at once only where they are seen, for `recolouring` does the rest; or
        another size of text. The same letters stay at the left, and what is selected stays so."""
        self._paint_ground(formats)
        if self.recolouring.begin(formats):
            self._found.restyle()
            return
        rows, bar = list(self._writer.rows), self.horizontalScrollBar()
        left = bar.value() / self._writer.formats.measures.code
        caret = self.textCursor()
        anchor, position = caret.anchor(), caret.position()
        self._writer.restyle(formats)
        self.show_rows(rows)
        caret.setPosition(anchor)
        caret.setPosition(position, QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(caret)
        bar.setValue(round(left * formats.measures.code))
        self._found.restyle()

    def _paint_ground(self, formats: TextFormats) -> None:
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Base, formats.theme.code)
        self.setPalette(palette)

    def createMimeDataFromSelection(self) -> QMimeData:
        """Plain text only: colours of a theme are no use elsewhere."""
        data = QMimeData()
        data.setText(selected_text(self._writer, self.textCursor()))
        return data

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._has_ring = event.reason() in _BY_KEYBOARD
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._has_ring = False
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        self._found.follow()
        super().paintEvent(event)
        if self._has_ring:
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().accent().color())
            painter.drawRect(self.viewport().rect().adjusted(0, 0, -1, -1))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space or any(map(event.matches, _OTHERS_KEYS)):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Sideways only: the transcript scrolls up and down."""
        by, bar = sideways_turn(event), self.horizontalScrollBar()
        event.setAccepted(bool(by) and bar.maximum() > 0)
        bar.setValue(bar.value() - by)
