"""`RunningAnswer`: the text of one answer while it comes, on its way to the disk.

Lives on the thread and asyncio loop of its session.
"""

from __future__ import annotations

import asyncio

import msgspec

from minerva_desktop.app.session_keeper import SessionKeeper
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.message import Message, MessageState

FLUSH_SECONDS = 0.5


class RunningAnswer:
    """``message`` as it stood when the answer began; it may have had text before, and go on."""

    def __init__(self, message: Message, keeper: SessionKeeper) -> None:
        self._message = message
        self._keeper = keeper
        self._pieces = [message.text] if message.text else []
        self._is_unflushed = False
        self._flusher: asyncio.Task[None] | None = None
        self.is_stopping = False

    @property
    def id(self) -> str:
        """The id of its message."""
        return self._message.id

    @property
    def text(self) -> str:
        """What it says so far."""
        return "".join(self._pieces)

    def add(self, text: str) -> None:
        """It grew by ``text``, which is on disk within `FLUSH_SECONDS`."""
        self._pieces.append(text)
        self._is_unflushed = True
        if self._flusher is None:
            self._flusher = asyncio.ensure_future(self._flush())

    def ended(
        self, state: MessageState, completion: Completion | None, error: str | None
    ) -> Message:
        """The message that it has become."""
        self._is_unflushed = False
        return msgspec.structs.replace(
            self._message, text=self.text, state=state, completion=completion, error=error
        )

    async def stop_flushing(self) -> None:
        """Return once nothing of it is being written any more."""
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.cancel()
            await asyncio.wait([flusher])

    async def _flush(self) -> None:
        while self._is_unflushed:
            self._is_unflushed = False
            await self._keeper.flush(self.id, self.text)
            await asyncio.sleep(FLUSH_SECONDS)
        self._flusher = None
