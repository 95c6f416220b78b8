"""Chats' titles in a model's words, once nothing else is to be done.

Pure but for `Titles`, which lives on the thread and asyncio loop of its owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from minerva_desktop.app.asides import Asides
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.conversation import TitleSource
from minerva_desktop.chat.message import ChatTurn, MessageState, Role
from minerva_desktop.chat.names import MAX_TITLE_CHARACTERS, title_from
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import LoadCancelled, MinervaError

# After an answer a person reads, or asks on at once: a title can wait until it is quiet.
DELAY_SECONDS = 3.0
# From one look at whether a model has nothing to do to the next.
RETRY_SECONDS = 15.0
MAX_WAITING = 100  # chats
# Smaller models write titles that are worse than the first words of a question.
MIN_PARAMETERS = 1_000_000_000
MAX_TITLE_TOKENS = 24
# The beginning of a chat says what it is about; a long one need not be read for that.
MAX_CHARACTERS = 1_000
# With a seed, a CPU computes a prompt in pieces of at most 63 tokens (`core.batch_filler`): who
# comes meanwhile waits for the end of one at most.
SEED = 0
QUESTION = (
    "Give this conversation a title of two to six words, in its own language. "
    "Answer with the title alone."
)


class Titles:
    """Gives chats better titles, one after the other, the one that was answered last first, and
    only while that costs nobody anything. What is interrupted, also by who unloads its model, is
    tried again once that is loaded and it is quiet; what goes wrong changes nothing.

    Attributes:
        task: what goes on; None or done: no chat waits for a title.
    """

    def __init__(
        self,
        asides: Asides,
        n_parameters_if_idle: Callable[[Path], Awaitable[int | None]],
        open_session: Callable[[str], Awaitable[ChatSession]],
    ) -> None:
        """``n_parameters_if_idle``: how large a model is that is loaded, while no model does
        anything; else None. ``open_session`` gives the session of a chat by its id, or raises a
        `MinervaError`."""
        self.task: asyncio.Task[None] | None = None
        self._asides = asides
        self._n_parameters_if_idle = n_parameters_if_idle
        self._open_session = open_session
        self._waiting: dict[str, Path] = {}  # by the chat's id, which model answered in it last

    def add(self, session: ChatSession, model_path: Path) -> None:
        """The model answered in that chat; it gets a better title, if it still has that of its
        first words."""
        self._waiting.pop(session.conversation.id, None)
        if wants_title(session):
            self._waiting[session.conversation.id] = model_path
            if len(self._waiting) > MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]

    def interrupt(self) -> None:
        """Somebody wants something of a model."""
        if self.task is not None:
            self.task.cancel()

    def go_on(self) -> None:
        """It is quiet, as far as is known here."""
        self.interrupt()
        if self._waiting:
            self.task = asyncio.ensure_future(self._work_off())

    async def close(self) -> None:
        """Return when nothing goes on; what waits may `go_on` later."""
        self.interrupt()
        if self.task is not None:
            await asyncio.wait([self.task])

    async def _work_off(self) -> None:
        seconds = DELAY_SECONDS
        while self._waiting:
            await asyncio.sleep(seconds)
            for conversation_id, model_path in reversed(tuple(self._waiting.items())):
                if await self._is_settled(conversation_id, model_path):
                    self._waiting.pop(conversation_id, None)
            seconds = RETRY_SECONDS

    async def _is_settled(self, conversation_id: str, model_path: Path) -> bool:
        """Whether a chat has the title that it is to have; False: not now."""
        try:
            n_parameters = await self._n_parameters_if_idle(model_path)
            if n_parameters is None:
                return False
            if n_parameters >= MIN_PARAMETERS:
                await self._improve(await self._open_session(conversation_id), model_path)
        except LoadCancelled:  # it made way
            return False
        except MinervaError:
            return True
        return True

    async def _improve(self, session: ChatSession, model_path: Path) -> None:
        if not wants_title(session):
            return
        sampling = SamplingParameters(temperature=0.0, max_tokens=MAX_TITLE_TOKENS, seed=SEED)
        turns = title_turns(session)
        said = await self._asides.ask(model_path, turns, sampling, makes_way=True)
        title = read_title(said)
        if title is not None and wants_title(session):
            await session.rename(title, TitleSource.MODEL)


def wants_title(session: ChatSession) -> bool:
    """Whether a chat has an answer, and no title of a model or a person yet."""
    conversation = session.conversation
    return (
        not session.is_temporary
        and not session.is_answering
        and conversation.title_source is TitleSource.FIRST_WORDS
        and any(
            message.role is Role.ASSISTANT and message.state is MessageState.COMPLETE
            for message in conversation.active_branch()
        )
    )


def title_turns(session: ChatSession) -> tuple[ChatTurn, ...]:
    """The question for a title, with the beginning of the chat."""
    lines = [
        f"{message.role.value}: {message.text[:MAX_CHARACTERS]}"
        for message in session.conversation.active_branch()[:2]
    ]
    return (ChatTurn(Role.USER, "\n\n".join((*lines, QUESTION))),)


def read_title(said: str) -> str | None:
    """The title in an answer: one line without quotes and marks; None where there is none."""
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    if not lines or "<think" in said:
        return None
    title = lines[0].removeprefix("Title:").strip(" .\"'“”„«»*#`_")
    if not title or len(title) > MAX_TITLE_CHARACTERS:
        return None
    return title_from(title)
