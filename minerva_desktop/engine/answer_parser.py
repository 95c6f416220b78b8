"""The text of an answer, as it arrives, to content, reasoning and tool calls.

Pure, for the parent's side; one `AnswerParser` reads one answer on one thread.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.answer_format import AnswerFormat


class ContentDelta(msgspec.Struct, frozen=True):
    """More of what the answer says."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    """More of the train of thought."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True):
    """More of the call number ``index`` (from 0). The first delta of a call has its ``id`` and
    ``name``; ``arguments`` of all of them together are the JSON text of its arguments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


AnswerPart = ContentDelta | ReasoningDelta | ToolCallDelta


def new_call_id() -> str:
    """An id that no other call has."""
    return f"call_{secrets.token_urlsafe(18)}"


class AnswerParser:
    """Feed it the deltas of a `TokenStream` that messages started."""

    def __init__(
        self,
        answer_format: AnswerFormat,
        chat: ChatOptions,
        *,
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        """``answer_format`` is the model's (`ContextInfo.answer_format`), ``chat`` what the request
        asked for; ``new_id`` makes the ids of calls."""
        self._format = answer_format
        self._chat = chat
        self._new_id = new_id

    def feed(self, text: str) -> list[AnswerPart]:
        """Add text; the parts that became certain."""
        return [ContentDelta(text)] if text else []

    def finish(self) -> list[AnswerPart]:
        """The text has ended; what was held back."""
        return []
