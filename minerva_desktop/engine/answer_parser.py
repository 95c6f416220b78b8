"""The text of an answer, as it arrives, to content, reasoning and tool calls.

Pure, for the parent's side; one `AnswerParser` reads one answer on one thread. However the text is
cut into pieces, the parts put together are the same. Nothing of the text is lost but the marks of
calls and reasoning, and the white space around them; nothing is raised: what looks like a call and
is none is content. The cost is linear in the length of the text.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from minerva_desktop.chat.tools import ChatOptions, ToolMode, tool_schema
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat, ToolFormat
from minerva_desktop.engine.answer_parts import (
    MAX_ALIKE,
    MAX_ALIKE_FORCED,
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


# Of tools, by their names.
Schemas = Mapping[str, Mapping[str, Any]]


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
        schemas: Schemas | None = None,
    ) -> None:
        """``answer_format`` is the model's (`ContextInfo.answer_format`), ``chat`` what the request
        asked for, which `ChatOptions.check` has passed; ``new_id`` makes the ids of calls;
        ``schemas`` are those of the tools, where they are known already."""
        self._format, self._chat = answer_format, chat
        self._text = AnswerText()
        self._is_forced = chat.mode is ToolMode.REQUIRED
        self._parts = AnswerParts(
            most=None if chat.parallel else 1,
            alike=MAX_ALIKE_FORCED if self._is_forced else MAX_ALIKE,
        )
        tools = _schemas_of(chat) if schemas is None else schemas
        self._schemas = tools
        self._thought = THOUGHTS.get(answer_format.reasoning)
        self._harmony: HarmonyReader | None = None
        self._calls: CallReader | None = None
        self._is_bare = False
        self._said: tuple[tuple[str, str], ...] = ()
        if ToolFormat.HARMONY in (answer_format.tools, answer_format.reasoning):
            self._harmony = HarmonyReader(
                tools,
                reasons=answer_format.reasoning is ReasoningFormat.HARMONY,
                text=self._text,
                parts=self._parts,
                new_id=new_id,
            )
        elif answer_format.tools in SYNTAXES:
            syntax = SYNTAXES[answer_format.tools]
            self._said = syntax.said_between
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
        self.is_plain = not (self._harmony or self._calls or self._thought or self._said)
        self._reading = self._read()

    @property
    def has_calls(self) -> bool:
        """Whether there are calls, whole or not."""
        return bool(self._parts.n_calls)

    @property
    def ends_in_calls(self) -> bool:
        """Whether there are calls and the arguments of the last one are whole."""
        return self.has_calls and not self._parts.is_call_open

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come of the answer, which should be ended: it goes on behind the
        one call that it may make, or its calls only repeat themselves. Neither is bound by every
        grammar."""
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
        closings = yield from self._opened()
        if self._calls is not None:
            yield from self._answer(self._calls, closings)
        elif closings:
            yield from self._drop_marks(closings)
        yield from self._text.rest(self._pass_on)

    def _pass_on(self, text: str) -> None:
        self._parts.say(text)
        self._parts.release_space()

    def _thoughts(self) -> Reading[None]:
        """Trains of thought at the beginning; further on, their marks are text like any other."""
        if self._thought is None:
            return
        text, parts = self._text, self._parts
        openings = self._calls.marks() if self._calls is not None and self._calls.may_read else ()
        end = Marks([self._thought.closing, *openings])
        while True:
            before = yield from text.space()
            if not (yield from text.literal(self._thought.opening)):
                parts.say(before)
                return
            parts.drop_space()
            while (mark := (yield from text.until(end, parts.think))) in openings:
                if (yield from self._ends_in_calls(mark, Marks(openings))):
                    return
            parts.drop_space()
            yield from text.literal(self._thought.closing)

    def _ends_in_calls(self, opening: str, openings: Marks) -> Reading[bool]:
        """Whether a thought ends at ``opening``, without its closing mark, for all of the text from
        there on is calls; models do that. If not, then what was looked at is thought.

        Looked at one by one, so that the same comes of any pieces.
        """
        assert self._thought is not None
        text, parts = self._text, self._parts
        closing, seen = self._thought.closing, [opening]
        chat = msgspec.structs.replace(self._chat, mode=ToolMode.AUTO)
        plain = AnswerFormat(self._format.tools)
        probe = AnswerParser(plain, chat, schemas=self._schemas)
        yield from text.literal(opening)
        said: list[AnswerPart] = probe.feed(opening)
        while (character := (yield from text.next_character(closing))) not in {"", closing}:
            seen.append(character)
            said = [part for part in probe.feed(character) if isinstance(part, ContentDelta)]
            if said:
                break
        looked_at = "".join(seen)
        if not character:
            said = [part for part in probe.finish() if isinstance(part, ContentDelta)]
            if probe.has_calls and not said:
                parts.drop_space()
                text.give_back(looked_at)
                return True
        begun = len(looked_at)
        if said and character:
            begun = openings.possible_start(looked_at, len(opening))
            text.give_back(looked_at[begun:])
        parts.think(looked_at[:begun])
        return False

    def _opened(self) -> Reading[tuple[str, ...]]:
        """The mark before what is said to the user; those that may stand behind it."""
        if not self._said:
            return ()
        before = yield from self._text.space()
        for opening, closing in self._said:
            if (yield from self._text.literal(opening)):
                self._parts.drop_space()
                return (closing,)
        self._parts.say(before)
        # An answer that goes on has its opening in what was said; only tokens of the model's own
        # are marks without one.
        return tuple(closing for _, closing in self._said if closing.startswith("<|"))

    def _drop_marks(self, closings: tuple[str, ...]) -> Reading[None]:
        marks = Marks(closings)
        while mark := (yield from self._text.until(marks, self._pass_on)):
            yield from self._text.literal(mark)

    def _answer(self, calls: CallReader, closings: tuple[str, ...]) -> Reading[None]:
        """Content and calls. One with nothing around it begins a line."""
        text, parts = self._text, self._parts
        if self._is_bare:
            parts.say((yield from text.space()))
            if (yield from text.peek()) in {"{", "["}:
                yield from calls.read("", parts.take_space())
        openings = Marks([*calls.openings(), *closings, *(["{"] if self._is_bare else [])])
        while calls.may_read and (
            opening := (yield from text.until(openings, parts.say, keeps_start=self._is_forced))
        ):
            before = parts.take_space()
            if opening in closings:
                yield from text.literal(opening)
                parts.say(before)
            elif opening != "{":
                yield from text.literal(opening)
                yield from calls.read(opening, before)
            elif "\n" in before:
                yield from calls.read("", before)
            else:
                yield from text.literal(opening)
                parts.say(before + opening)
        if self._is_forced:  # what is left can only be the beginning of a mark
            yield from text.rest(lambda _: None)


def _schemas_of(chat: ChatOptions) -> Schemas:
    tools = chat.shown_tools
    return {tool.name: tool_schema(tool, index) for index, tool in enumerate(tools)}
