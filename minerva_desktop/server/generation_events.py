"""What happens to the answers of one request, from prompt to end, and the answers put together.

`generation` tells it to the dialects. Values of the endpoint's asyncio loop.
"""

from __future__ import annotations

import msgspec

from minerva_desktop.chat.completion import Completion, PromptToken, TokenLogprob
from minerva_desktop.engine.answer_parser import (
    AnswerPart,
    ContentDelta,
    ReasoningDelta,
    ToolCallDelta,
)

PARAGRAPH = "\n\n"


class PromptRead(msgspec.Struct, frozen=True):
    """``done`` of ``total`` prompt tokens are processed, ``cached`` of them had been before;
    ``milliseconds`` after the request began."""

    choice: int
    done: int
    total: int
    cached: int
    milliseconds: int


class PromptScored(msgspec.Struct, frozen=True):
    """The next tokens of the prompt, with their log-probabilities, where those were asked for."""

    choice: int
    tokens: tuple[PromptToken, ...]


class Said(msgspec.Struct, frozen=True):
    """What came of the next ``n_tokens`` of a choice; of one, where there are ``logprobs``: of all
    tokens that its text is made of."""

    choice: int
    parts: tuple[AnswerPart, ...]
    n_tokens: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


class Ended(msgspec.Struct, frozen=True):
    """A choice is whole. ``n_reasoning`` of its tokens were a train of thought."""

    choice: int
    completion: Completion
    finish_reason: str
    n_reasoning: int


GenerationEvent = PromptRead | PromptScored | Said | Ended


class SharedScores:
    """Gives the scores of a prompt, which come with the first of its ``n`` choices, to all of them.

    What happens to the others waits until the scores are whole: they stand before the answer.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._held: dict[int, list[GenerationEvent]] = {}  # by the prompt's first choice
        self._whole: set[int] = set()

    def take(self, event: GenerationEvent) -> list[GenerationEvent]:
        """An event of any choice; the events that may be told now."""
        first = event.choice - event.choice % self._n
        if event.choice != first:
            if first in self._whole:
                return [event]
            self._held.setdefault(first, []).append(event)
            return []
        if isinstance(event, PromptScored):
            return [PromptScored(first + index, event.tokens) for index in range(self._n)]
        if isinstance(event, PromptRead):
            return [event]
        self._whole.add(first)
        return [event, *self._held.pop(first, [])]


class Paragraphs:
    """Keeps what a choice says before and behind its calls apart, where all of it is one text: the
    white space around calls is gone."""

    def __init__(self) -> None:
        self._has_said = False
        self._is_behind_call = False

    def apart(self, part: AnswerPart) -> AnswerPart:
        """The next part, as it joins what was said so far."""
        if isinstance(part, ContentDelta):
            gap = PARAGRAPH if self._has_said and self._is_behind_call else ""
            self._has_said, self._is_behind_call = True, False
            return ContentDelta(gap + part.text)
        self._is_behind_call = self._is_behind_call or isinstance(part, ToolCallDelta)
        return part


class CollectedCall(msgspec.Struct):
    """A tool call, put together from its deltas."""

    id: str
    name: str
    arguments: str = ""


class CollectedAnswer:
    """A choice, put together from its events."""

    def __init__(self) -> None:
        self.content = ""
        self.reasoning = ""
        self.calls: list[CollectedCall] = []
        self.logprobs: list[TokenLogprob] = []
        self.prompt: list[PromptToken] = []
        self.ended: Ended
        self._paragraphs = Paragraphs()

    def add(self, event: GenerationEvent) -> None:
        """Take in an event of this choice."""
        if isinstance(event, Ended):
            self.ended = event
        elif isinstance(event, PromptScored):
            self.prompt += event.tokens
        elif isinstance(event, Said):
            self.logprobs += event.logprobs
            for part in event.parts:
                self._add_part(self._paragraphs.apart(part))

    def _add_part(self, part: AnswerPart) -> None:
        match part:
            case ContentDelta(text):
                self.content += text
            case ReasoningDelta(text):
                self.reasoning += text
            case ToolCallDelta(index, call_id, name, arguments):
                if index == len(self.calls):
                    self.calls.append(CollectedCall(call_id or "", name or ""))
                self.calls[index].arguments += arguments
