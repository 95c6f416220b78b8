"""‹ 2/3 ›: which of a message's alternatives is shown, and the way to the others. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QLabel, QToolButton, QWidget

from minerva_desktop.ui.chat_view.actions import BranchPlace
from minerva_desktop.ui.controls import icon_button
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

SIZE = 7 * GRID  # px; a button's side


class BranchNavigator(QWidget):
    """``branch_requested(id)``: show that alternative instead."""

    branch_requested = Signal(str)

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._place = BranchPlace(0, ())
        self.setObjectName("branchNavigator")
        self._previous = _arrow(icons, "chevron-left", "Previous version", "Alt+Left", self)
        self._next = _arrow(icons, "chevron-right", "Next version", "Alt+Right", self)
        self._label = QLabel(self)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._label.setProperty("look", "muted")
        self._previous.clicked.connect(self._go_back)
        self._next.clicked.connect(self._go_on)

    @property
    def buttons(self) -> tuple[QToolButton, QToolButton]:
        """The way back and the way on."""
        return self._previous, self._next

    def show_place(self, place: BranchPlace) -> None:
        """Say which of how many is shown."""
        self._place = place
        number, count = place.position + 1, len(place.ids)
        self._label.setText(f"{number}/{count}")
        self._label.setAccessibleName(f"Version {number} of {count}")
        self.setAccessibleName(f"Version {number} of {count}")
        self._previous.setEnabled(place.position > 0)
        self._next.setEnabled(number < count)
        width = self._label.fontMetrics().horizontalAdvance(f"{count}/{count}") + GRID
        self._label.setGeometry(SIZE, 0, width, SIZE)
        self._next.move(SIZE + width, 0)
        self.resize(2 * SIZE + width, SIZE)

    def step(self, by: int) -> None:
        """Ask for the alternative ``by`` places further, if there is one."""
        index = self._place.position + by
        if 0 <= index < len(self._place.ids):
            self.branch_requested.emit(self._place.ids[index])

    @Slot()
    def _go_back(self) -> None:
        self.step(-1)

    @Slot()
    def _go_on(self) -> None:
        self.step(1)


def _arrow(icons: Icons, icon: str, label: str, keys: str, parent: QWidget) -> QToolButton:
    button = icon_button(icons, icon, label, shortcut=keys, size=SIZE)
    button.setParent(parent)
    return button
