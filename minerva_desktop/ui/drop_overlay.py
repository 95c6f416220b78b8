"""What the window shows while files are dragged over it. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.theme import GRID, ThemeSource

TEXT = "Drop models or exported chats"
HINT = "The files stay where they are"
CARD = QSizeF(90 * GRID, 40 * GRID)


class DropOverlay(QWidget):
    """Covers its parent; shown and hidden by the main window."""

    def __init__(self, themes: ThemeSource, parent: QWidget) -> None:
        super().__init__(parent)
        self._themes = themes
        self._covered = parent
        self.setObjectName("dropOverlay")
        self.setAccessibleName(f"{TEXT}. {HINT}")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        """Show over all of the parent."""
        self.setGeometry(self._covered.rect())
        self.raise_()
        self.show()

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._themes.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(theme.window)
        veil.setAlphaF(0.97)
        painter.fillRect(self.rect(), veil)
        frame = QRectF(QPointF(), CARD.boundedTo(QSizeF(self.size())))
        frame.moveCenter(QRectF(self.rect()).center())
        painter.setBrush(QColor(theme.surface))
        painter.setPen(QPen(QColor(theme.accent), 2, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(frame, 3 * GRID, 3 * GRID)
        title = QFont(self.font())
        title.setPixelSize(20)
        title.setWeight(QFont.Weight.DemiBold)
        painter.setFont(title)
        painter.setPen(QColor(theme.text))
        centre = Qt.AlignmentFlag.AlignCenter
        painter.drawText(frame.translated(0, -4 * GRID), centre, TEXT)
        painter.setFont(self.font())
        painter.setPen(QColor(theme.muted))
        painter.drawText(frame.translated(0, 4 * GRID), centre, HINT)
