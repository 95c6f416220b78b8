"""Which messages have a row of actions: the last answer always, and those that the pointer or the
keyboard is at.

Three rows at most, made when they are first needed. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Signal, Slot
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QWidget

from minerva_desktop.ui.chat_view.action_row import ActionRow
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.icons import Icons

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.message_view import MessageView


class ActionRows(QObject):
    """Signals as those of `ActionRow`."""

    triggered = Signal(str, object, QPoint)
    menu_requested = Signal(str, QPoint)

    def __init__(
        self,
        icons: Icons,
        column: QWidget,
        actions: Callable[[MessageView], tuple[MessageAction, ...]],
        is_busy: Callable[[], bool],
        view_of: Callable[[QWidget], MessageView | None],
    ) -> None:
        """``actions``: what can be done with a message now; ``is_busy``: an answer is written;
        ``view_of``: the message that a widget belongs to."""
        super().__init__(column)
        self._icons = icons
        self._column = column
        self._actions = actions
        self._is_busy = is_busy
        self._view_of = view_of
        self._last: MessageView | None = None
        self._hovered: MessageView | None = None
        self._focused: MessageView | None = None
        self._rows: list[ActionRow] = []
        self._is_refreshing = False
        self._is_stale = False
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._on_focus_changed)

    def set_last(self, view: MessageView | None) -> None:
        """The last message of the chat, if it has a view."""
        self._last = view
        self.refresh()

    def hover(self, view: MessageView) -> None:
        """The pointer is over a message."""
        self._hovered = view
        self.refresh()

    def leave(self, view: MessageView) -> None:
        """The pointer left it, for good or for a menu that opened over it."""
        if view is not self._hovered:
            return
        popup = QApplication.activePopupWidget()
        if popup is not None:
            popup.destroyed.connect(self._on_popup_gone)
        elif not _is_pointed_at(view):  # Qt says so, too, when a row goes from under the pointer
            self._hovered = None
            self.refresh()

    def forget(self, view: MessageView) -> None:
        """A message goes; no row may go with it."""
        self._last = None if view is self._last else self._last
        self._hovered = None if view is self._hovered else self._hovered
        self._focused = None if view is self._focused else self._focused
        outer, self._is_refreshing = self._is_refreshing, True
        for row in self._rows:
            if row.view is view:
                row.park(self._column)
        self._is_refreshing = outer
        if self._is_stale:
            self.refresh()

    def refresh(self) -> None:
        """Something changed that decides what can be done with the messages."""
        self._is_stale = True
        if self._is_refreshing:
            return  # a row that goes from under the pointer makes Qt tell where that is now
        self._is_refreshing = True
        while self._is_stale:
            self._is_stale = False
            self._place_rows()
        self._is_refreshing = False

    def _place_rows(self) -> None:
        wanted: dict[MessageView, tuple[MessageAction, ...]] = {}
        for view in (self._last, self._focused, self._hovered):
            if view is not None and not view.is_edited:
                wanted[view] = self._actions(view)
        rows = {row.view: row for row in self._rows if row.view and wanted.get(row.view)}
        free = [row for row in self._rows if row not in rows.values()]
        for view, actions in wanted.items():
            if actions:
                # One that is there already stays: the keyboard may be in it.
                row = rows.get(view) or (free.pop() if free else self._make_row())
                row.show_under(view, actions)
                row.set_busy(self._is_busy())
        for row in free:
            row.park(self._column)

    def _make_row(self) -> ActionRow:
        row = ActionRow(self._icons, self._column)
        row.triggered.connect(self.triggered)
        row.menu_requested.connect(self.menu_requested)
        self._rows.append(row)
        return row

    @Slot()
    def _on_popup_gone(self) -> None:
        if self._hovered is not None:
            self.leave(self._hovered)

    @Slot(QWidget, QWidget)
    def _on_focus_changed(self, _old: QWidget | None, now: QWidget | None) -> None:
        if now is None or now.window() is not self._column.window():
            return  # a menu is open, or another window is in front: this comes back
        view = self._view_of(now)
        if view is not None and now is view.body and not view.body.has_ring:
            view = None  # a click leaves no row behind
        if view is not self._focused:
            self._focused = view
            self.refresh()


def _is_pointed_at(view: MessageView) -> bool:
    return view.rect().contains(view.mapFromGlobal(QCursor.pos()))
