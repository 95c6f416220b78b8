"""What the card of a notice is made of: its sign and its buttons. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton, QWidget

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import IconRole, Icons

SIGN_SIZE = 20  # px


def link_button(text: str, name: str, tip: str, parent: QWidget) -> QPushButton:
    """A button that looks like a link, with the object name ``name``."""
    button = QPushButton(text, parent)
    button.setObjectName(name)
    button.setProperty("look", "link")
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setAccessibleName(text)
    button.setToolTip(plain_tip(tip))
    return button


class NoticeButton(QPushButton):
    """A button that says which action it is for: ``action_pressed(callback_id)``."""

    action_pressed = Signal(str)

    def __init__(self, label: str, callback_id: str) -> None:
        super().__init__(label.replace("&", "&&"))
        self._callback_id = callback_id
        self.setAccessibleName(label)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(self._emit_id)

    @Slot()
    def _emit_id(self) -> None:
        self.action_pressed.emit(self._callback_id)


class NoticeSign(QWidget):
    """The icon that shows how serious the notice is."""

    def __init__(self, icons: Icons, name: str, role: IconRole) -> None:
        super().__init__()
        self._icons = icons
        self._name = name
        self._role: IconRole = role
        self.setFixedSize(SIGN_SIZE, SIGN_SIZE)
        self.setAccessibleName(name.capitalize())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._icons.paint(painter, self._name, QRectF(self.rect()), self._role)
