"""A chat's title in a model's words, once nothing else is to be done.

Pure but for `Titler`, which lives on the thread and asyncio loop of its owner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from minerva_desktop.app.asides import Asides
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.conversation import MAX_TITLE_CHARACTERS, TitleSource, title_from
from minerva_desktop.chat.message import ChatTurn, MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import MinervaError

# Smaller models write titles that are worse than the first words of a question.
MIN_PARAMETERS = 1_000_000_000
MAX_TITLE_TOKENS = 24
# The beginning of a chat says what it is about; a long one need not be read for that.
MAX_CHARACTERS = 2_000
QUESTION = (
    "Give this conversation a title of two to six words, in its own language. "
    "Answer with the title alone."
)


class Titler:
    """Asks the model of a chat, and only if that costs nobody anything."""

    def __init__(
        self, asides: Asides, n_parameters_if_idle: Callable[[Path], Awaitable[int | None]]
    ) -> None:
        """``n_parameters_if_idle``: how large a model is that is loaded and does nothing; None for
        another."""
        self._asides = asides
        self._n_parameters_if_idle = n_parameters_if_idle

    async def improve(self, session: ChatSession, model_path: Path) -> None:
        """Give ``session`` a better title, if it still has that of its first words. To be cancelled
        as soon as a person wants something of a model. What goes wrong changes nothing."""
        if not wants_title(session):
            return
        n_parameters = await self._n_parameters_if_idle(model_path)
        if n_parameters is None or n_parameters < MIN_PARAMETERS:
            return
        sampling = SamplingParameters(temperature=0.0, max_tokens=MAX_TITLE_TOKENS)
        try:
            said = await self._asides.ask(model_path, title_turns(session), sampling)
        except MinervaError:
            return
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
