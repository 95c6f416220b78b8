"""The row of buttons under a message: Copy, Edit, Answer or Regenerate, Continue, Details, and what
else there is.

Few of them exist, and they move from message to message (`ActionRows`). Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QToolButton, QWidget

from minerva_desktop.ui.chat_view.actions import CHANGE_THE_CHAT, ICONS, KEYS, MessageAction
from minerva_desktop.ui.chat_view.copy_button import SIZE, CopyButton
from minerva_desktop.ui.chat_view.message_parts import ending_text
from minerva_desktop.ui.controls import icon_button
from minerva_desktop.ui.icons import Icons

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.message_view import MessageView

# In the row; all others are behind ⋯.
SHOWN = (
    MessageAction.EDIT,
    MessageAction.ANSWER,
    MessageAction.REGENERATE,
    MessageAction.CONTINUE,
    MessageAction.DETAILS,
)
MAX_WIDTH = 5 * SIZE  # px, but for an answer that was edited, which has few numbers


class ActionRow(QWidget):
    """``triggered(id, action, place)``: that button was pressed; what opens belongs at ``place``
    on the screen. ``menu_requested(id, place)``: ⋯ was."""

    triggered = Signal(str, object, QPoint)
    menu_requested = Signal(str, QPoint)

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._view: MessageView | None = None
        self.setObjectName("messageActions")
        self.setAccessibleName("Actions")
        keys = KEYS[MessageAction.COPY]
        self._copy = CopyButton(icons, "Copy message", self._source, self, shortcut=keys)
        self._buttons: dict[MessageAction, QToolButton] = {}
        for action in SHOWN:
            label = action.value.removesuffix("…")
            keys = KEYS.get(action, "")
            button = icon_button(icons, ICONS[action], label, shortcut=keys, size=SIZE)
            button.setParent(self)
            button.clicked.connect(partial(self._trigger, action))
            self._buttons[action] = button
        self._more = icon_button(icons, "more", "More actions", size=SIZE)
        self._more.setParent(self)
        self._more.clicked.connect(self._ask_for_menu)
        self.hide()

    @property
    def view(self) -> MessageView | None:
        """The message that it is under."""
        return self._view

    def show_under(self, view: MessageView, actions: Sequence[MessageAction]) -> None:
        """Move to ``view``, which places it, and offer ``actions``."""
        if view is not self._view:
            self._leave()
            self._view = view
            self.setParent(view)
            self._copy.reset()
        self._copy.setVisible(MessageAction.COPY in actions)
        offers_it = bool(ending_text(view.message))  # above this row
        for action, button in self._buttons.items():
            is_again = action is MessageAction.CONTINUE and offers_it
            button.setVisible(action in actions and not is_again)
        left = 0
        last = view.before_row
        for each in (self._copy, *self._buttons.values(), self._more):
            if each.isVisibleTo(self):
                each.move(left, 0)
                left += SIZE
                QWidget.setTabOrder(last, each)
                last = each
        self.resize(left, SIZE)
        view.carry(self)
        self.show()

    def set_busy(self, busy: bool) -> None:
        """While an answer is being written, nothing that changes the chat can be pressed."""
        for action, button in self._buttons.items():
            if action in CHANGE_THE_CHAT:
                button.setEnabled(not busy)

    def park(self, parent: QWidget) -> None:
        """Leave the message, and wait unseen in ``parent``."""
        self._leave()
        self.hide()
        self.setParent(parent)

    def _leave(self) -> None:
        if self._view is not None:
            self._view.drop_row(self)
            self._view = None

    def _source(self) -> str:
        return self._view.source() if self._view is not None else ""

    def _trigger(self, action: MessageAction) -> None:
        if self._view is not None:
            place = self._below(self._buttons[action])
            self.triggered.emit(self._view.message.id, action, place)

    def _ask_for_menu(self) -> None:
        if self._view is not None:
            self.menu_requested.emit(self._view.message.id, self._below(self._more))

    def _below(self, button: QToolButton) -> QPoint:
        return button.mapToGlobal(QPoint(0, button.height()))
