"""Reads answers for tests: all of one, as content, reasoning and calls."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from minerva_desktop.chat.tools import ChatOptions, Tool
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat, ToolFormat
from minerva_desktop.engine.answer_parser import (
    AnswerParser,
    ContentDelta,
    ReasoningDelta,
)

F: TypeAlias = ToolFormat
R: TypeAlias = ReasoningFormat

WEATHER = (
    '{"type": "object", "properties": {'
    '"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 14}, '
    '"unit": {"enum": ["c", "f"]}, "tags": {"type": "array", "items": {"type": "string"}}}, '
    '"required": ["city"], "additionalProperties": false}'
)
TOOLS = (Tool("get_weather", "The weather <now>", WEATHER), Tool("now", "What time it is"))


@dataclass
class Answer:
    """Parts put together. ``calls``: name and arguments of each."""

    content: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


def read(
    text: str | Sequence[str],
    answer_format: AnswerFormat,
    chat: ChatOptions | None = None,
) -> Answer:
    """Parse a text, at once or in the pieces in which it comes."""
    numbers = itertools.count()
    chat = chat or ChatOptions(tools=TOOLS)
    parser = AnswerParser(answer_format, chat, new_id=lambda: f"call_{next(numbers)}")
    parts = []
    for piece in [text] if isinstance(text, str) else text:
        parts += parser.feed(piece)
    parts += parser.finish()
    answer = Answer()
    for part in parts:
        if isinstance(part, ContentDelta):
            answer.content += part.text
        elif isinstance(part, ReasoningDelta):
            answer.reasoning += part.text
        elif part.index == len(answer.calls):
            assert part.id is not None
            assert part.name is not None
            answer.ids.append(part.id)
            answer.calls.append([part.name, part.arguments])
        else:
            assert part.index == len(answer.calls) - 1, "one call after the other"
            assert (part.id, part.name) == (None, None)
            answer.calls[part.index][1] += part.arguments
    return answer
