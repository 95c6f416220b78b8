"""A text that is read, with what Qt's browser of texts lacks: to select in it without a person, to
drag from it, to say when the keyboard came to it or to a link, and to load nothing. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl, Signal
from PySide6.QtGui import QDrag, QFocusEvent, QImage, QMouseEvent, QTextCursor, QTextDocument
from PySide6.QtWidgets import QApplication, QTextBrowser, QWidget

TABS = {Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason}
# Nobody moved it: a menu or another window that was in front of it is gone.
COMES_BACK = {Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason}


class SelectableText(QTextBrowser):
    """``link_reached``: Tab led to a link, which is selected now. (Qt tells of those under the
    pointer only.) ``ring_changed`` says that `has_ring` did."""

    link_reached = Signal()
    ring_changed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._pressed_at = QPointF()  # on the screen
        self._came_by_key = False

    def loadResource(self, kind: int, _name: QUrl | str) -> object:
        """Nothing is ever loaded. An image has to be one: for None Qt opens the file itself."""
        if kind == QTextDocument.ResourceType.ImageResource.value:
            image = QImage(1, 1, QImage.Format.Format_ARGB32)
            image.fill(Qt.GlobalColor.transparent)
            return image
        return ""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._pressed_at = event.globalPosition()
        super().mousePressEvent(event)

    def drag_selection(self, pointer: QPointF, data: Callable[[], QMimeData]) -> None:
        """Drag ``data``, once ``pointer`` is far enough from where it was pressed. Qt does that by
        itself, but within a call from Python: while nothing happened in the window, other threads
        stood still until it was dropped, and answers with them."""
        if (pointer - self._pressed_at).manhattanLength() >= QApplication.startDragDistance():
            drag = QDrag(self)
            drag.setMimeData(data())
            drag.exec(Qt.DropAction.CopyAction)

    def focusNextPrevChild(self, forward: bool) -> bool:
        if not self.hasFocus():  # Qt asks this, too, where Tab leads to from a button in the text
            return QWidget.focusNextPrevChild(self, forward)
        is_here = super().focusNextPrevChild(forward)
        if is_here and self.textCursor().hasSelection():
            self.link_reached.emit()
        return is_here

    @property
    def has_ring(self) -> bool:
        """Whether the focus came by keyboard and should be seen."""
        return self._came_by_key and self.hasFocus()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() not in COMES_BACK:
            self._came_by_key = event.reason() in TABS
        self.ring_changed.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.ring_changed.emit()

    def clear_selection(self) -> None:
        """Select nothing, and tell nobody."""
        cursor = self.textCursor()
        if cursor.hasSelection():
            blocked = self.blockSignals(True)
            self.select(cursor.position(), cursor.position())
            self.blockSignals(blocked)

    def select(self, anchor: int, position: int) -> None:
        """Select from ``anchor`` to ``position``, as far as there is text."""
        cursor, end = self.textCursor(), self.end
        wanted = min(anchor, end), min(position, end)
        if (cursor.anchor(), cursor.position()) != wanted:
            cursor.setPosition(wanted[0])
            cursor.setPosition(wanted[1], QTextCursor.MoveMode.KeepAnchor)
            self.setTextCursor(cursor)

    @property
    def has_selection(self) -> bool:
        """Whether something is selected."""
        return self.textCursor().hasSelection()

    @property
    def end(self) -> int:
        """The last position in the text."""
        return self.document().characterCount() - 1

    @property
    def is_all_selected(self) -> bool:
        """Whether no text is left out."""
        cursor = self.textCursor()
        return cursor.selectionStart() == 0 and cursor.selectionEnd() >= self.end > 0
