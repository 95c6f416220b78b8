"""A bar under something in a message that is wider than its column. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QScrollBar, QWidget

STEP = 40  # px, of an arrow key
NOTCH = 120  # units of a wheel's angle
_SIDEWAYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)


class SidewaysBar(QScrollBar):
    """Takes the keys that go sideways; the others are the transcript's."""

    def __init__(self, parent: QWidget, object_name: str, accessible_name: str) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setObjectName(object_name)
        self.setAccessibleName(accessible_name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setInvertedControls(False)  # → goes to the right
        self.setSingleStep(STEP)
        self.setCursor(Qt.CursorShape.ArrowCursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _SIDEWAYS:
            super().keyPressEvent(event)
        else:
            event.ignore()


def sideways_turn(event: QWheelEvent) -> int:
    """By how many px a wheel wants to go to the left; 0 where it rather turns up or down."""
    turned = event.angleDelta()
    by = turned.x()
    if not by and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
        by = turned.y()
    if not by or abs(by) < abs(turned.y() if turned.x() else 0):
        return 0
    return event.pixelDelta().x() or by * 3 * STEP // NOTCH
