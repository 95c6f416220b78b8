"""Sends what waits in a session's queue, the first first, once it is known to have room.

Lives on the thread and asyncio loop of its session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from minerva_desktop.app.message_queue import MessageQueue
from minerva_desktop.app.session_listener import QueuedMessage, SessionListener

if TYPE_CHECKING:
    from minerva_desktop.app.chat_session import ChatSession

_log = logging.getLogger(__name__)


class QueueSending:
    """One at a time. Keeps its session in memory only while it counts for it."""

    def __init__(self, queue: MessageQueue, listener: SessionListener) -> None:
        self._queue = queue
        self._listener = listener
        self._counting: asyncio.Task[None] | None = None
        self._refused: QueuedMessage | None = None
        self._held_behind: str | None = None  # where the first would be, were it not changed
        self.is_by_itself = False  # what is being sent follows an answer, and nobody asked just now

    @property
    def is_counting(self) -> bool:
        """Whether what waits is about to be sent, if it has room."""
        counting = self._counting  # done where it was cancelled before it began
        return counting is not None and not counting.done()

    @property
    def lacks_room(self) -> bool:
        """Whether the first that waits was found to have none."""
        return self._refused is not None and self._refused is self._queue.first

    @property
    def is_from_disk(self) -> bool:
        """Whether what waits did so when its chat was closed, and nothing of it was sent since."""
        return self._queue.is_from_disk

    def find_models(self, find: Callable[[Path], Path]) -> None:
        """What waits since another start is for the model that ``find`` has for its own: files
        move."""
        if self.is_from_disk:
            self._queue.find_models(find)

    def was_due(self, session: ChatSession) -> bool:
        """Whether the turn of the first came while it was being changed, and nothing has been shown
        since behind what it was to follow."""
        behind = self._held_behind
        return behind is not None and behind == session.conversation.active_leaf_id

    async def send_first(self, session: ChatSession, reply_to: str | None) -> None:
        """Send the first that has room behind ``reply_to``, if nothing runs. What counting raises
        goes on from here, and it waits on."""
        if not self.is_counting and not session.is_answering and self._queue:
            self._counting = asyncio.ensure_future(self._send_first(session, None, reply_to))
        counting = self._counting
        if counting is not None:
            await asyncio.wait([counting])
            if not counting.cancelled():
                counting.result()

    def send_behind(self, session: ChatSession, answer_id: str, ending: asyncio.Task[None]) -> None:
        """Send the first behind that answer, which ended well, once ``ending`` has it on disk."""
        if self._queue and not self.is_counting:
            counting = asyncio.ensure_future(self._send_first(session, ending, answer_id))
            counting.add_done_callback(_log_failure)
            self._counting = counting

    def cancel(self) -> None:
        """What waits goes on waiting; what is already being sent is not held up."""
        if self._counting is not None:
            self._counting.cancel()

    async def _send_first(
        self, session: ChatSession, ending: asyncio.Task[None] | None, reply_to: str | None
    ) -> None:
        """It follows what it waited for, whichever branch is shown by then."""
        first = None
        try:
            if ending is not None:
                await asyncio.wait([ending])
            first = await self._first_with_room(session, reply_to)
        finally:
            if first is None:
                self._counting = None
            self._listener.on_queue_changed(session)
            self._counting = None
        if first is not None:
            queued, place = first
            self.is_by_itself = ending is not None
            try:
                await session.send(queued.text, queued.model_path, queued.files, place)
            finally:
                self.is_by_itself = False

    async def _first_with_room(
        self, session: ChatSession, reply_to: str | None
    ) -> tuple[QueuedMessage, str | None] | None:
        """It does not wait any more then; and the message behind which it has room: ``reply_to``,
        or where that was deleted, the last that is shown. One that is taken away while it is
        counted is not the first any more: then it is the next one's turn. One that is being changed
        holds up the rest."""
        conversation = session.conversation
        self._held_behind = None
        while (queued := self._queue.first) is not None and not session.is_answering:
            if reply_to is None or reply_to not in conversation:
                reply_to = conversation.active_leaf_id
            if queued is self._queue.edited:
                self._held_behind = reply_to
                return None
            has_room = await self._listener.has_room(session, queued, reply_to)
            is_there = reply_to is None or reply_to in conversation
            is_edited = queued is self._queue.edited
            if queued is not self._queue.first or is_edited or not is_there:
                continue
            self._refused = None if has_room else queued
            if not has_room or session.is_answering:
                return None
            self._queue.take(queued.id)
            self._queue.is_from_disk = False
            return queued, reply_to
        return None


def _log_failure(task: asyncio.Task[None]) -> None:
    """Nobody awaits it, and the message waits on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("A waiting message was not sent", exc_info=error)
