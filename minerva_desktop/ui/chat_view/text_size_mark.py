"""Says over the transcript, for a moment, what size its text has now. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QLabel, QWidget

SHOWN_MS = 1_500


class TextSizeMark(QLabel):
    """In the way of nothing: the pointer goes through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("textSizeMark")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SHOWN_MS)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def show_percent(self, percent: int, top: QPoint) -> None:
        """Say ``percent``, with ``top`` in the middle of its upper edge."""
        words = f"Text size: {percent} %"
        self.setText(words)
        self.setAccessibleName(words)
        self.adjustSize()
        self.move(top.x() - self.width() // 2, top.y())
        self.raise_()
        self.show()
        self._timer.start()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))
