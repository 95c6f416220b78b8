"""A waiting message that its person is changing: it keeps its place in the queue meanwhile.

Lives on the thread and asyncio loop of its session.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from minerva_desktop.app.message_queue import MessageQueue
from minerva_desktop.app.session_listener import QueuedMessage, SessionListener
from minerva_desktop.chat.parts import Files

if TYPE_CHECKING:
    from minerva_desktop.app.chat_session import ChatSession


class QueueEditing:
    """One at a time. It is not sent, and nothing behind it, until that is over."""

    def __init__(self, queue: MessageQueue, listener: SessionListener) -> None:
        self._queue = queue
        self._listener = listener

    @property
    def message(self) -> QueuedMessage | None:
        """That message, as it has been changed so far; None where none is."""
        return self._queue.edited

    @property
    def is_first(self) -> bool:
        """Whether it is the one that would be sent next."""
        return self.message is not None and self.message is self._queue.first

    def begin(self, session: ChatSession, queued_id: str) -> QueuedMessage | None:
        """Have that one changed from now on: it is returned; None when it does not wait any more.
        What another was changed to stays."""
        edited = self._queue.begin_edit(queued_id)
        self._listener.on_queue_changed(session)
        return edited

    def keep(self, text: str, files: Files) -> None:
        """What it has become so far, for an app that dies, or a chat that is left."""
        self._queue.change_edited(text, files)

    def finish(self, session: ChatSession, model_path: Path | None) -> None:
        """It waits on as it was changed, for that model, if there is one."""
        self._queue.end_edit(model_path)
        self._listener.on_queue_changed(session)

    def give_up(self, session: ChatSession) -> None:
        """It waits on as it was before."""
        self._queue.undo_edit()
        self._listener.on_queue_changed(session)
