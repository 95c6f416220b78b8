"""The text of an answer, as it arrives, to content, reasoning and tool calls.

Pure, for the parent's side; one `AnswerParser` reads one answer on one thread. However the text is
cut into pieces, the parts put together are the same. Nothing of the text is lost but the marks of
calls and reasoning, and the white space around them; nothing is raised: what looks like a call and
is none is content. The cost is linear in the length of the text.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from minerva_desktop.chat.tools import ChatOptions, ToolMode, tool_schema
from minerva_desktop.engine.answer_format import AnswerFormat, ToolFormat
from minerva_desktop.engine.answer_parts import (
    AnswerPart,
    AnswerParts,
    ContentDelta,
    ReasoningDelta,
    ToolCallDelta,
)
from minerva_desktop.engine.answer_text import AnswerText, Marks, Reading
from minerva_desktop.engine.call_reader import CallReader
from minerva_desktop.engine.call_syntax import SYNTAXES, THOUGHTS
from minerva_desktop.engine.harmony_reader import HarmonyReader

__all__ = [
    "AnswerParser",
    "AnswerPart",
    "ContentDelta",
    "ReasoningDelta",
    "ToolCallDelta",
    "new_call_id",
]


def new_call_id() -> str:
    """An id that no other call has: ``call_`` and 24 characters."""
    return f"call_{secrets.token_urlsafe(18)}"


class AnswerParser:
    """Feed it the deltas of a `TokenStream` that messages started.

    Where the messages end in an assistant's turn that the answer continues, feed that turn's text
    first and leave out what comes of it: the answer may begin inside a train of thought.
    """

    def __init__(
        self,
        answer_format: AnswerFormat,
        chat: ChatOptions,
        *,
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        """``answer_format`` is the model's (`ContextInfo.answer_format`), ``chat`` what the request
        asked for, which `ChatOptions.check` has passed; ``new_id`` makes the ids of calls."""
        self._text = AnswerText()
        self._is_forced = chat.mode is ToolMode.REQUIRED
        self._parts = AnswerParts(most=None if chat.parallel else 1)
        tools = {tool.name: tool_schema(tool, index) for index, tool in enumerate(chat.shown_tools)}
        self._thought = THOUGHTS.get(answer_format.reasoning)
        self._harmony: HarmonyReader | None = None
        self._calls: CallReader | None = None
        self._is_bare = False
        if answer_format.tools is ToolFormat.HARMONY:
            self._harmony = HarmonyReader(tools, text=self._text, parts=self._parts, new_id=new_id)
        elif answer_format.tools in SYNTAXES:
            syntax = SYNTAXES[answer_format.tools]
            if tools or syntax.content_name:
                self._is_bare = syntax.bare
                self._calls = CallReader(
                    syntax,
                    tools,
                    is_forced=self._is_forced,
                    text=self._text,
                    parts=self._parts,
                    new_id=new_id,
                )
        # Nothing is looked for in the text, which may then come in pieces of any size.
        self.is_plain = not (self._harmony or self._calls or self._thought)
        self._reading = self._read()

    @property
    def ends_in_calls(self) -> bool:
        """Whether there are calls and the arguments of the last one are whole."""
        return bool(self._parts.n_calls) and not self._parts.is_call_open

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come of the answer, which should be ended: it goes on behind the
        one call that it may make. That is not bound by every grammar."""
        return self._parts.is_over

    def feed(self, text: str) -> list[AnswerPart]:
        """Add text; the parts that became certain."""
        if self.is_plain:
            return [ContentDelta(text)] if text else []
        self._text.append(text)
        next(self._reading, None)
        return self._parts.taken()

    def finish(self) -> list[AnswerPart]:
        """The text has ended; what was held back."""
        self._text.end()
        next(self._reading, None)
        self._parts.release_space()
        return self._parts.taken()

    def _read(self) -> Reading[None]:
        if self._harmony is not None:
            yield from self._harmony.read()
            return
        yield from self._thoughts()
        if self._calls is not None:
            yield from self._answer(self._calls)
        yield from self._text.rest(self._pass_on)

    def _pass_on(self, text: str) -> None:
        self._parts.say(text)
        self._parts.release_space()

    def _thoughts(self) -> Reading[None]:
        """Trains of thought at the beginning; further on, their marks are text like any other."""
        if self._thought is None:
            return
        text, parts = self._text, self._parts
        end = Marks([self._thought.closing])
        while True:
            before = yield from text.space()
            if not (yield from text.literal(self._thought.opening)):
                parts.say(before)
                return
            parts.drop_space()
            yield from text.until(end, parts.think)
            parts.drop_space()
            yield from text.literal(self._thought.closing)

    def _answer(self, calls: CallReader) -> Reading[None]:
        """Content and calls. One with nothing around it begins a line."""
        text, parts = self._text, self._parts
        if self._is_bare:
            parts.say((yield from text.space()))
            if (yield from text.peek()) in {"{", "["}:
                yield from calls.read("", parts.take_space())
        openings = Marks([*calls.openings(), *(["{"] if self._is_bare else [])])
        while calls.may_read and (
            opening := (yield from text.until(openings, parts.say, keeps_start=self._is_forced))
        ):
            before = parts.take_space()
            if opening != "{":
                yield from text.literal(opening)
                yield from calls.read(opening, before)
            elif "\n" in before:
                yield from calls.read("", before)
            else:
                yield from text.literal(opening)
                parts.say(before + opening)
        if self._is_forced:  # what is left can only be the beginning of a mark
            yield from text.rest(lambda _: None)
