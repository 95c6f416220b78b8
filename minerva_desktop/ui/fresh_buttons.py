"""A click on a button that has just come under a pointer at rest was meant for what was there
before: the second one of a double click removed two waiting messages, stopped what the first had
sent, and sent a draft after it had stopped the answer. Main thread.
"""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from PySide6.QtCore import QEvent, QObject, QPoint
from PySide6.QtGui import QCursor, QGuiApplication, QMouseEvent
from PySide6.QtWidgets import QAbstractButton, QApplication

_PRESSES = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick)


class FreshButtons(QObject):
    """Keeps clicks from the buttons that it watches for as long after they were shown as a double
    click may take, if the pointer has not been moved since."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        # When that was (s), and where the pointer was.
        self._shown: WeakKeyDictionary[QObject, tuple[float, QPoint]] = WeakKeyDictionary()

    def watch(self, *buttons: QAbstractButton) -> None:
        """From the next time on that they are shown."""
        for button in buttons:
            button.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Show:
            self._shown[watched] = time.monotonic(), QCursor.pos()
        elif isinstance(event, QMouseEvent) and event.type() in _PRESSES:
            return self._is_fresh(watched, event)
        return False

    def _is_fresh(self, button: QObject, press: QMouseEvent) -> bool:
        shown, place = self._shown.get(button, (0.0, QPoint()))
        moved = (press.globalPosition().toPoint() - place).manhattanLength()
        is_at_rest = moved <= QGuiApplication.styleHints().mouseDoubleClickDistance()
        return is_at_rest and time.monotonic() - shown < QApplication.doubleClickInterval() / 1_000
