"""A temporary chat that is left or closed: nothing of it is kept, so that is said first, or can be
taken back for a while. Main thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.message import Role
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.unsent_edits import unsent_edits

LEFT, GO_BACK = "temporary-left", "temporary-go-back"
CLOSED = "The temporary chat is closed"
CLOSING, CLOSE = "temporary-closing", "temporary-close"


class TemporaryChats(QObject):
    """``session`` is the open chat's; ``show`` opens another."""

    def __init__(
        self,
        window: MainWindow,
        session: Callable[[], ChatSession | None],
        show: Callable[[ChatSession], None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._show = show
        self._left: ChatSession | None = None  # for as long as it is offered
        self._let_go: ChatSession | None = None  # may end with the window
        window.add_guard(self.must_stay)
        window.notifications.action_triggered.connect(self._on_action)
        window.notifications.closed.connect(self._on_notice_closed)

    def leave(self, session: ChatSession | None) -> None:
        """Another chat is about to be shown. Where this one is temporary, its answer is stopped,
        as nobody will see it, and it can be had back for as long as the notice is there:
        by its button, or by Ctrl+Z."""
        self._window.notifications.dismiss(CLOSING)  # it was about this one
        if session is None or not session.is_temporary or not len(session.conversation):
            return
        lost = _unfinished(session, self._window.chat_view)
        session.stop()
        self._left = session
        text = f"{CLOSED}{f' ({lost})' if lost else ''}. Nothing of it is kept."
        actions = (NoticeAction("Undo", GO_BACK),)
        bar = self._window.notifications
        bar.undo_steps.withdraw(LEFT)  # one that was left before is gone now
        bar.show_notice(
            Notice(NoticeKind.INFO, text, actions=actions, key=LEFT, is_last_chance=True)
        )
        bar.undo_steps.add(CLOSED, GO_BACK, LEFT)

    def must_stay(self) -> bool:
        """Whether the window would close on an answer or on messages that nothing is kept of."""
        session = self._session()
        if session is None or not session.is_temporary or session is self._let_go:
            return False
        lost = _unfinished(session, self._window.chat_view)
        if lost:
            text = f"Minerva is still open: nothing of a temporary chat is kept, and {lost}."
            actions = (NoticeAction("Close all the same", CLOSE),)
            self._window.notifications.show_notice(
                Notice(NoticeKind.WARNING, text, actions=actions, key=CLOSING)
            )
        return bool(lost)

    @Slot(str)
    def _on_action(self, callback_id: str) -> None:
        if callback_id == CLOSE:
            self._let_go = self._session()
            self._window.close()
        elif callback_id == GO_BACK and self._left is not None:
            left, self._left = self._left, None
            self._show(left)

    @Slot(str)
    def _on_notice_closed(self, identity: str) -> None:
        if identity == LEFT:  # by its button, which is told of after this, or for good
            QTimer.singleShot(0, self, self._forget)

    @Slot()
    def _forget(self) -> None:
        shown = self._window.notifications.shown
        if shown is None or shown.key != LEFT:
            self._left = None
            self._window.notifications.undo_steps.withdraw(LEFT)


def _unfinished(session: ChatSession, view: ChatView) -> str:
    """What goes on in a chat, as a part of a sentence; empty: nothing."""
    chat, changed = session.conversation, unsent_edits(session, view)
    n_answers = sum(chat[each].role is Role.ASSISTANT for each in changed)
    waiting = len(session.queued)
    parts = ["its answer is not finished"] if session.is_answering else []
    if waiting:
        parts.append("1 message waits" if waiting == 1 else f"{waiting:,} messages wait")
    parts += _changed(len(changed) - n_answers, "message", "sent")
    parts += _changed(n_answers, "answer", "saved")
    return " and ".join(parts)


def _changed(count: int, what: str, lacks: str) -> list[str]:
    if not count:
        return []
    are = f"1 changed {what} is" if count == 1 else f"{count:,} changed {what}s are"
    return [f"{are} not {lacks}"]
