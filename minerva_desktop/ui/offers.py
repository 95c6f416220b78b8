"""Notices with a button that does one thing: Undo, or what is asked before it happens. Main
thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from PySide6.QtCore import QObject, Slot

from minerva_desktop.ui.notification_bar import (
    MAX_NOTICES,
    Notice,
    NoticeAction,
    NoticeKind,
    NotificationBar,
)
from minerva_desktop.ui.tasks import UiTasks

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

    def undo(self, text: str, work: Work, key: str = "") -> None:
        """Say what was done, and offer to undo it for a while."""
        self._show(NoticeKind.INFO, text, "Undo", work, key)

    def do(self, text: str, label: str, work: Work, key: str) -> None:
        """Say something and offer to do ``work`` for a while."""
        self._show(NoticeKind.INFO, text, label, work, key)

    def ask(self, text: str, label: str, work: Work, key: str) -> None:
        """Ask before ``work`` is done; the question stays until it is answered."""
        self._show(NoticeKind.WARNING, text, label, work, key)

    def withdraw_all(self) -> None:
        """Take away all that is still offered: it is too late for it."""
        for identity in list(self._shown):
            self._bar.dismiss(identity)

    def dismiss(self, key: str) -> None:
        """Take a notice away; nothing happens when it is not there any more."""
        self._bar.dismiss(self._prefix + key)

    def _show(self, kind: NoticeKind, text: str, label: str, work: Work, key: str) -> None:
        callback_id = f"{self._prefix}{next(self._numbers)}"
        self._works[callback_id] = work
        if len(self._works) > MAX_NOTICES:  # as many as the bar keeps
            del self._works[next(iter(self._works))]
        actions = [NoticeAction(label, callback_id)]
        if kind is NoticeKind.WARNING:
            actions.append(NoticeAction("Keep", f"{self._prefix}keep"))
        identity = self._prefix + key if key else callback_id
        self._shown[identity] = None
        self._bar.show_notice(Notice(kind, text, actions=tuple(actions), key=identity))

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        work = self._works.pop(callback_id, None)
        if work is not None:
            self._tasks.start(work())

    @Slot(str)
    def _on_closed(self, identity: str) -> None:
        self._shown.pop(identity, None)
