"""Shows that a long chat is being copied, with a way to give that up. Main thread."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, Slot

from minerva_desktop.ui.chat_view.message_events import MessageEvents
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind, NotificationBar

COPYING = "copying-chat"
STOP_COPYING = "stop-copying-chat"
QUIET_SECONDS = 0.3  # that it takes without a word
STEP_SECONDS = 0.5  # between two numbers that are shown


class CopyNotices(QObject):
    """One notice, for as long as it takes."""

    def __init__(self, notifications: NotificationBar, events: MessageEvents) -> None:
        super().__init__(notifications)
        self._notifications = notifications
        self._events = events
        self._next: float | None = None  # when to show a number; None: nothing is copied
        self._events.copy_advanced.connect(self._on_advanced)
        self._notifications.action_triggered.connect(self._on_action)

    @Slot(int, int)
    def _on_advanced(self, n_done: int, n_all: int) -> None:
        now = time.monotonic()
        if n_done == n_all:
            self._next = None
            self._notifications.dismiss(COPYING)
        elif self._next is None:
            self._next = now + QUIET_SECONDS
        elif now >= self._next:
            self._next = now + STEP_SECONDS
            words = f"Copying the chat: {n_done:,} of {n_all:,} messages"
            stop = NoticeAction("Stop", STOP_COPYING)
            notice = Notice(NoticeKind.INFO, words, actions=(stop,), key=COPYING, stays=True)
            self._notifications.show_notice(notice)

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        if callback_id == STOP_COPYING:
            self._events.copy_stopped.emit()
