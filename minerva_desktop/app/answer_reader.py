"""Takes an answer for the window apart, as it comes: what is thought, and what is said.

The endpoint does the same (`server.generation`). One instance reads one answer, on the pool's loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.answer_parser import (
    AnswerParser,
    AnswerPart,
    ContentDelta,
    ReasoningDelta,
)
from minerva_desktop.engine.begun_answer import begun_text, goes_on
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import MinervaError

__all__ = ["AnswerPart", "AnswerReader", "ContentDelta", "ReasoningDelta"]


class AnswerReader:
    """Without tools nothing is a call: parts are `ContentDelta` or `ReasoningDelta`."""

    def __init__(self, answer_format: AnswerFormat, turns: Sequence[ChatTurn]) -> None:
        """``answer_format`` is the model's, ``turns`` are what it answers. Where it goes on with
        the last of them, that says whether it stands inside a thought."""
        self._parser = AnswerParser(answer_format, ChatOptions())
        if goes_on(turns):
            self._parser.feed(begun_text(turns[-1], answer_format.reasoning))

    async def read(self, stream: TokenStream) -> AsyncIterator[tuple[int, list[AnswerPart]]]:
        """Of each step of the engine how many tokens it made, if any, and the parts that became
        certain. What was held back comes last, also where the answer ends in an error, which is
        raised behind it."""
        failure: MinervaError | None = None
        try:
            async for tokens in stream.batches():
                yield len(tokens), self._parser.feed("".join(tokens))
        except MinervaError as error:
            failure = error
        if rest := self._parser.finish():
            yield 0, rest
        if failure is not None:
            raise failure
