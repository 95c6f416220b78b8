"""`RunningAnswer`: one answer while it comes, what is thought and what is said, on its way to the
disk.

Lives on the thread and asyncio loop of its session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from minerva_desktop.app.answer_words import failure_of, with_way_out
from minerva_desktop.app.session_keeper import SessionKeeper
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import Part, ReasoningPart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import MinervaError

FLUSH_SECONDS = 0.5
STILL_WRITING = "An answer is still being written; stop it first"


class RunningAnswer:
    """``message`` as it stood when the answer began; it may have had text or thoughts before, and
    go on. ``earlier`` are the numbers of what it had, where they are known. ``clock`` counts
    seconds."""

    def __init__(
        self,
        message: Message,
        keeper: SessionKeeper,
        *,
        earlier: Completion | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._message = message
        self._keeper = keeper
        self._earlier = earlier
        self._clock = clock
        self._pieces = [message.text] if message.text else []
        self._parts = list(message.parts)  # all but the thought that is being written
        self._thought: _Thought | None = None
        self._is_unflushed = False
        self._flusher: asyncio.Task[None] | None = None
        self.is_stopping = False

    @property
    def id(self) -> str:
        """The id of its message."""
        return self._message.id

    @property
    def state_if_closed(self) -> MessageState:
        """What it ends as where its chat is closed: stopped only where a person did that."""
        return MessageState.STOPPED if self.is_stopping else MessageState.INTERRUPTED

    @property
    def so_far(self) -> Message:
        """The message as it stands."""
        return msgspec.structs.replace(self._message, text=self._text, parts=self._all_parts)

    @property
    def _text(self) -> str:
        return "".join(self._pieces)

    @property
    def _all_parts(self) -> tuple[Part, ...]:
        if self._thought is None:
            return tuple(self._parts)
        return (*self._parts, self._thought.part(self._clock()))

    def add(self, text: str) -> None:
        """It says ``text`` more, which is on disk within `FLUSH_SECONDS`. A thought is over."""
        if self._thought is not None:
            self._parts.append(self._thought.part(self._clock()))
            self._thought = None
        self._pieces.append(text)
        self._flush_soon()

    def think(self, text: str) -> None:
        """It thinks ``text`` more, which is on disk within `FLUSH_SECONDS`."""
        if self._thought is None:
            self._thought = _Thought(self._unfinished(), self._clock())
        self._thought.pieces.append(text)
        self._flush_soon()

    def ended(
        self, state: MessageState, completion: Completion | None, error: MinervaError | None
    ) -> Message:
        """The message that it has become; its numbers are those of all of it."""
        self._is_unflushed = False
        total = completion
        if self._earlier is not None:
            total = self._earlier.followed_by(completion) if completion else self._earlier
        return msgspec.structs.replace(
            self.so_far,
            state=state,
            completion=total,
            error=None if error is None else with_way_out(error),
            failure=None if error is None else failure_of(error),
        )

    async def stop_flushing(self) -> None:
        """Return once nothing of it is being written any more."""
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.cancel()
            await asyncio.wait([flusher])

    def _unfinished(self) -> ReasoningPart:
        """The thought that it broke off in, having said nothing; else a new one."""
        last = self._parts[-1] if self._parts and not self._pieces else None
        if isinstance(last, ReasoningPart):
            del self._parts[-1]
            return last
        return ReasoningPart("")

    def _flush_soon(self) -> None:
        self._is_unflushed = True
        if self._flusher is None:
            self._flusher = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        while self._is_unflushed:
            self._is_unflushed = False
            # Both each time: while the disk is full, the last of these stands for all before it.
            await self._keeper.flush(self.id, self._text, self._all_parts)
            await asyncio.sleep(FLUSH_SECONDS)
        self._flusher = None


class _Thought:
    """One that is being written: what it was before, and since when it goes on."""

    def __init__(self, before: ReasoningPart, began: float) -> None:
        self.pieces = [before.text] if before.text else []
        self._milliseconds = before.milliseconds
        self._began = began

    def part(self, now: float) -> ReasoningPart:
        """As it stands."""
        taken = 1000.0 * (now - self._began)
        return ReasoningPart("".join(self.pieces), self._milliseconds + taken)


def is_void(conversation: Conversation, answer_id: str) -> bool:
    """Whether that answer ended early, before it said anything, and has nothing behind it."""
    answer = conversation[answer_id]
    is_empty = answer.role is Role.ASSISTANT and not answer.text and not answer.parts
    is_cut = answer.state in {MessageState.FAILED, MessageState.STOPPED, MessageState.INTERRUPTED}
    return is_empty and is_cut and all(each.parent_id != answer_id for each in conversation)


def going_on(cut: Message, model: str, sampling: SamplingParameters) -> Message:
    """``cut``, an answer that broke off or did not begin, as ``model`` goes on with it."""
    return msgspec.structs.replace(
        cut,
        state=MessageState.STREAMING,
        model=model,
        sampling=sampling,
        completion=None,
        error=None,
        failure=None,
    )
