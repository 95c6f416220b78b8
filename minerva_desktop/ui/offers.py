"""Notices with a button that does one thing: Undo, or what is asked before it happens. Main
thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from PySide6.QtCore import QObject, Slot

from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind, NotificationBar
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.undo_steps import MAX_STEPS

Work = Callable[[], Coroutine[Any, Any, None]]


class Offers(QObject):
    """Remembers what the buttons of its notices do. ``prefix`` keeps its callbacks from those of
    others."""

    def __init__(self, prefix: str, bar: NotificationBar, tasks: UiTasks) -> None:
        super().__init__(bar)
        self._prefix = prefix
        self._bar = bar
        self._tasks = tasks
        self._works: dict[str, Work] = {}
        self._shown: dict[str, None] = {}  # identities of notices, in order
        self._numbers = count(1)
        bar.action_triggered.connect(self._on_action)
        bar.closed.connect(self._on_closed)

    def undo(
        self,
        text: str,
        work: Work,
        key: str = "",
        *,
        label: str = "Undo",
        undone: str = "",
        is_last_chance: bool = False,
        is_of_chat: bool = False,
    ) -> None:
        """Say what was done, and offer to undo it for a while, by a button called ``label``; Ctrl+Z
        does it as long as the window is open, and says ``undone``. ``is_last_chance``: there is no
        other way back. ``is_of_chat``: the notice goes with the open chat, and comes back with
        it."""
        callback_id = self._show(
            NoticeKind.INFO,
            text,
            label,
            work,
            key,
            is_last_chance=is_last_chance,
            is_of_chat=is_of_chat,
        )
        self._bar.undo_steps.add(text, callback_id, self._identity(key, callback_id), undone)

    def do(self, text: str, label: str, work: Work, key: str) -> None:
        """Say something and offer to do ``work`` for a while."""
        self._show(NoticeKind.INFO, text, label, work, key)

    def ask(self, text: str, label: str, work: Work, key: str) -> None:
        """Ask before ``work`` is done; the question stays until it is answered."""
        self._show(NoticeKind.WARNING, text, label, work, key)

    def withdraw_all(self) -> None:
        """Take away all that is still offered: it is too late for it."""
        for identity in list(self._shown):
            self._bar.withdraw(identity)

    def is_shown(self, key: str) -> bool:
        """Whether that notice is there, maybe beneath others."""
        return self._prefix + key in self._shown

    def dismiss(self, key: str) -> None:
        """Take a notice away, and what it offers; nothing happens when it is not there any more."""
        self.hide(key)
        self._bar.undo_steps.withdraw(self._prefix + key)

    def hide(self, key: str) -> None:
        """Take a notice away; Ctrl+Z still does what it offers."""
        self._bar.withdraw(self._prefix + key)

    def _identity(self, key: str, callback_id: str) -> str:
        return self._prefix + key if key else callback_id

    def _show(
        self,
        kind: NoticeKind,
        text: str,
        label: str,
        work: Work,
        key: str,
        *,
        is_last_chance: bool = False,
        is_of_chat: bool = False,
    ) -> str:
        """The callback id of the button."""
        callback_id = f"{self._prefix}{next(self._numbers)}"
        self._works[callback_id] = work
        if len(self._works) > MAX_STEPS:  # as many as the bar keeps
            del self._works[next(iter(self._works))]
        actions = [NoticeAction(label, callback_id)]
        if kind is NoticeKind.WARNING:
            actions.append(NoticeAction("Keep", f"{self._prefix}keep"))
        identity = self._identity(key, callback_id)
        self._shown[identity] = None
        self._bar.show_notice(
            Notice(
                kind,
                text,
                actions=tuple(actions),
                key=identity,
                is_last_chance=is_last_chance,
                is_of_chat=is_of_chat,
            )
        )
        return callback_id

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        work = self._works.pop(callback_id, None)
        if work is not None:
            self._tasks.start(work())

    @Slot(str)
    def _on_closed(self, identity: str) -> None:
        self._shown.pop(identity, None)
