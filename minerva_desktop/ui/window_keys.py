"""Keys that lead through the whole window: from part to part, from message to message, and back to
the composer.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QWidget

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.composer import Composer
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.theme import GRID

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.message_view import MessageView

PART_KEYS = {"F6": 1, "Shift+F6": -1}
MESSAGE_KEYS = {"Ctrl+Down": 1, "Ctrl+Up": -1}
LINE = 8 * GRID  # px; what is not further apart stands side by side
ABOVE = 4 * GRID  # px over a message that is gone to
_NO_KEYS = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)


class WindowKeys(QObject):
    """F6 goes from one of ``parts`` to the next, in that order, and round; parts that are hidden,
    or have nothing that takes keys, are passed. Ctrl with ↑ and ↓ go from message to message."""

    def __init__(
        self,
        composer: Composer,
        chat_view: ChatView,
        parts: Sequence[QWidget],
        undo: Callable[[], None],
    ) -> None:
        """``undo`` takes back what was done last."""
        super().__init__(composer)
        self._composer = composer
        self._undo = undo
        self._chat_view = chat_view
        self._parts = tuple(parts)
        for keys, by in PART_KEYS.items():
            shortcut = QShortcut(QKeySequence(keys), composer.window())
            shortcut.activated.connect(partial(self._step_part, by))
        for keys, by in MESSAGE_KEYS.items():
            shortcut = QShortcut(QKeySequence(keys), chat_view)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(partial(self._step_message, by))

    def obey(self, event: QKeyEvent) -> bool:
        """Do what a key says that nothing in the window wanted; whether it said something.

        Esc stops the answer or leads to the composer, what is typed in the transcript, or pasted,
        goes there, and Ctrl+Z takes back what was done last.
        """
        focused = QApplication.focusWidget()
        text, modifiers = event.text(), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if event.key() == Qt.Key.Key_Escape:
            if not self._composer.escape():
                self._composer.focus_editor()
            return True
        if event.matches(QKeySequence.StandardKey.Undo):
            self._undo()
            return True
        in_chat = focused is not None and self._chat_view.isAncestorOf(focused)
        if not (in_chat or focused is self._chat_view):
            return False
        if event.matches(QKeySequence.StandardKey.Paste):
            self._composer.focus_editor()
            self._composer.paste()
            return True
        if not text.isprintable() or not text or modifiers not in _NO_KEYS:
            return False
        self._composer.focus_editor()
        self._composer.insert_text(text)
        return True

    # -- parts -------------------------------------------------------------------------------

    def _step_part(self, by: int) -> None:
        focused = QApplication.focusWidget()
        count = len(self._parts)
        at = next((at for at, part in enumerate(self._parts) if _holds(part, focused)), 0)
        for step in range(1, count):
            part = self._parts[(at + by * step) % count]
            target = self._target(part)
            if target is not None:
                target.setFocus(Qt.FocusReason.TabFocusReason)
                return

    def _target(self, part: QWidget) -> QWidget | None:
        """What in ``part`` gets the keyboard."""
        if not part.isVisible():
            return None
        if part is self._chat_view:
            views = self._views()
            seen = [view for view in views if not view.body.visibleRegion().isEmpty()]
            return seen[-1].body if seen else None
        # The composer has a proxy. Of a notice not the cross, which the next Space would press.
        first = part.first_action if isinstance(part, NotificationBar) else part.focusProxy()
        return first or min(_stops(part), key=partial(_place, part), default=None)

    # -- messages ----------------------------------------------------------------------------

    def _views(self) -> list[MessageView]:
        """Those whose text is shown, from the top down."""
        view_of = self._chat_view.message_view
        views = (view_of(message.id) for message in self._chat_view.messages.messages)
        return [view for view in views if view is not None and not view.body.isHidden()]

    def _step_message(self, by: int) -> None:
        focused = QApplication.focusWidget()
        views = self._views()
        at = next((at for at, view in enumerate(views) if _holds(view, focused)), None)
        if at is None:
            target = self._target(self._chat_view)
            if target is not None:
                target.setFocus(Qt.FocusReason.TabFocusReason)
            return
        if not 0 <= at + by < len(views):
            view = views[at]
            self._show_more(by)
            views = self._views()
            at = views.index(view)
        view = views[max(0, min(at + by, len(views) - 1))]
        view.body.setFocus(Qt.FocusReason.TabFocusReason)
        bar, height = self._chat_view.verticalScrollBar(), self._chat_view.viewport().height()
        if not bar.value() <= view.y() <= view.y() + view.height() <= bar.value() + height:
            bar.setValue(view.y() - ABOVE)

    def _show_more(self, by: int) -> None:
        """The next page of a long chat, above or below."""
        messages = self._chat_view.messages
        if by < 0 and messages.n_earlier:
            messages.show_earlier()
        elif by > 0 and messages.n_later:
            messages.show_later()


def _holds(part: QWidget, widget: QWidget | None) -> bool:
    return widget is not None and (widget is part or part.isAncestorOf(widget))


def _stops(part: QWidget) -> list[QWidget]:
    """What in ``part`` the keyboard can go to by Tab. (Not by `nextInFocusChain`: PySide takes what
    that returns for a part of the widget that was asked, and forgets it together with that.)"""
    return [
        each
        for each in part.findChildren(QWidget)
        if each.focusPolicy() & Qt.FocusPolicy.TabFocus
        and each.focusProxy() is None
        and each.isVisible()
        and each.isEnabled()
    ]


def _place(part: QWidget, widget: QWidget) -> tuple[int, int]:
    """In which line of ``part`` it is, and where in that."""
    middle = widget.mapTo(part, widget.rect().center())
    return middle.y() // LINE, middle.x()
