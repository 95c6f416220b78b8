"""The line above a temporary chat that says so. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

TEXT = "Temporary chat: nothing of it is kept"
ICON = 16  # px


class TemporaryMark(QWidget):
    """An icon and a sentence in the middle, hidden until it is true."""

    HEIGHT = 8 * GRID

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self.setObjectName("temporaryMark")
        self.setAccessibleName(TEXT)
        self.hide()

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._icons.theme
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.bubble))
        painter.fillRect(0, self.height() - 1, self.width(), 1, QColor(theme.border))
        metrics = self.fontMetrics()
        room = self.width() - ICON - 10 * GRID
        text = metrics.elidedText(TEXT, Qt.TextElideMode.ElideRight, room)
        left = (self.width() - ICON - 2 * GRID - metrics.horizontalAdvance(text)) / 2
        icon = QRectF(left, (self.height() - ICON) / 2, ICON, ICON)
        self._icons.paint(painter, "temporary", icon, "muted")
        painter.setPen(QColor(theme.text))
        left += ICON + 2 * GRID
        place = QRectF(left, 0, self.width() - left, self.height() - 1)
        painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter), text)
