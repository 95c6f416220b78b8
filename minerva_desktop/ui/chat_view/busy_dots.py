"""Three dots that breathe while an answer is on its way. Main thread."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.theme import ThemeSource

FRAME_MS = 66
PERIOD = 20  # frames
RADIUS = 2.5  # px


class BusyDots(QWidget):
    """Moves only while it can be seen, so that it costs nothing otherwise."""

    def __init__(self, themes: ThemeSource, parent: QWidget) -> None:
        super().__init__(parent)
        self._themes = themes
        self._frame = 0
        self._timer = QTimer(self)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self._advance)
        self.setFixedSize(QSize(28, 16))

    @Slot()
    def _advance(self) -> None:
        self._frame = (self._frame + 1) % PERIOD
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._themes.theme.muted))
        for dot in range(3):
            phase = math.tau * (self._frame / PERIOD - dot / 6)
            painter.setOpacity(0.55 + 0.45 * math.cos(phase))
            centre = QPointF(RADIUS + 1 + dot * 9, self.height() / 2)
            painter.drawEllipse(centre, RADIUS, RADIUS)
