"""`MessageWriter`: what a model says, as a message of the Anthropic API and as its events.

Pure but for the ids; for one thread.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET
from pydantic_core import from_json

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.errors import InferenceError, MinervaError
from minerva_desktop.server.answer_blocks import (
    AnswerBlocks,
    Block,
    BlockClosed,
    BlockEvent,
    BlockGrew,
    BlockKind,
    BlockOpened,
)
from minerva_desktop.server.errors import ErrorBody, MessagesErrorBody
from minerva_desktop.server.generation import TOOL_CALLS
from minerva_desktop.server.generation_events import (
    Ended,
    GenerationEvent,
    PromptRead,
    PromptScored,
    Said,
)
from minerva_desktop.server.schemas.anthropic_answer import (
    AnswerBlock,
    BlockDelta,
    BlockStart,
    BlockStop,
    InputDelta,
    MessageAnswer,
    MessageDelta,
    MessageEvent,
    MessageStart,
    MessageStop,
    MessageUsage,
    OutputTokensDetails,
    SignatureDelta,
    StopDelta,
    StopReason,
    TextAnswer,
    TextDelta,
    ThinkingAnswer,
    ThinkingDelta,
    ToolUseAnswer,
)
from minerva_desktop.server.schemas.common import AnswerTimings

# Escapes in JSON: a backslash or a whole surrogate pair (group 1), or half of a pair.
_ESCAPES = re.compile(
    r"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


class MessageWriter:
    """Writes one message. ``message`` is it, once it has ended."""

    def __init__(
        self,
        model_id: str,
        *,
        max_tokens: int | None,
        shows_thinking: bool = True,
        request_id: str = "",
    ) -> None:
        """``max_tokens`` of the request; ``shows_thinking`` False leaves the thoughts out of their
        blocks; ``request_id`` is told where the stream breaks off."""
        self.message = MessageAnswer(
            id=f"msg_{uuid.uuid4().hex}", model=model_id, usage=_usage(0, 0, 0, 0)
        )
        self._max_tokens = max_tokens
        self._shows_thinking = shows_thinking
        self._request_id = request_id
        self._prompt = (0, 0)
        self._is_begun = False
        self._blocks = AnswerBlocks()

    def feed(self, event: GenerationEvent) -> list[MessageEvent]:
        """What the next event of the only choice is in the stream's words. Raises `InferenceError`
        for a call whose input is none."""
        match event:
            case PromptScored():
                return []  # of plain prompts only
            case PromptRead():
                self._prompt = (event.total, event.cached)
                return []
            case Said():
                return [*self._begun(), *self._block_events(self._blocks.feed(event))]
            case Ended():
                return [*self._begun(), *self._ended(event)]

    def failed(self, error: MinervaError) -> tuple[MessagesErrorBody]:
        """The end of a stream that broke off."""
        known = ErrorBody.of(error).error
        return (MessagesErrorBody.of(known, error.http_status, self._request_id),)

    # -- the message -----------------------------------------------------------------------

    def _begun(self) -> list[MessageEvent]:
        if self._is_begun:
            return []
        self._is_begun = True
        n_prompt, n_cached = self._prompt
        usage = _usage(n_prompt, n_cached, 0, 0)
        return [MessageStart(message=msgspec.structs.replace(self.message, usage=usage))]

    def _ended(self, event: Ended) -> list[MessageEvent]:
        completion = event.completion
        timings = completion.timings
        is_cut = event.finish_reason == FinishReason.LENGTH or completion.stop_string is not None
        last = self._block_events(self._blocks.close())
        blocks = self._blocks.blocks
        lacks_call = is_cut and bool(blocks) and _is_half_a_call(blocks[-1])
        content = [self._answer(block) for block in (blocks[:-1] if lacks_call else blocks)]
        calls = event.finish_reason == TOOL_CALLS and not lacks_call
        stop = StopDelta(
            stop_reason="tool_use" if calls else self._stop_reason(event),
            stop_sequence=None if calls else completion.stop_string,
        )
        delta = MessageDelta(
            delta=stop,
            usage=_usage(
                timings.prompt_tokens,
                timings.cached_tokens,
                timings.completion_tokens,
                event.n_reasoning,
            ),
            timings=AnswerTimings.of_completion(completion),
            dropped_messages=completion.dropped_turns or UNSET,
            shifted_tokens=completion.shifted_tokens or UNSET,
        )
        self.message = msgspec.structs.replace(
            self.message,
            content=tuple(content),
            stop_reason=stop.stop_reason,
            stop_sequence=stop.stop_sequence,
            usage=delta.usage,
            timings=delta.timings,
            dropped_messages=delta.dropped_messages,
            shifted_tokens=delta.shifted_tokens,
        )
        return [*last, delta, MessageStop()]

    def _stop_reason(self, event: Ended) -> StopReason:
        completion = event.completion
        if event.finish_reason == FinishReason.LENGTH:
            n_tokens = completion.timings.completion_tokens
            is_own_limit = self._max_tokens is not None and n_tokens >= self._max_tokens
            return "max_tokens" if is_own_limit else "model_context_window_exceeded"
        return "end_turn" if completion.stop_string is None else "stop_sequence"

    # -- its blocks ------------------------------------------------------------------------

    def _block_events(self, events: Iterable[BlockEvent]) -> list[MessageEvent]:
        written: list[MessageEvent] = []
        for event in events:
            match event:
                case BlockOpened(block):
                    written.append(BlockStart(index=block.index, content_block=_empty(block)))
                case BlockGrew(block, text):
                    if block.kind is not BlockKind.REASONING or self._shows_thinking:
                        written.append(BlockDelta(index=block.index, delta=_delta(block, text)))
                case BlockClosed(block):
                    if block.kind is BlockKind.REASONING:
                        written.append(BlockDelta(index=block.index, delta=SignatureDelta()))
                    written.append(BlockStop(index=block.index))
        return written

    def _answer(self, block: Block) -> AnswerBlock:
        match block.kind:
            case BlockKind.TEXT:
                return TextAnswer(text=block.text)
            case BlockKind.REASONING:
                return ThinkingAnswer(thinking=block.text if self._shows_thinking else "")
            case BlockKind.CALL:
                return ToolUseAnswer(id=block.call_id, name=block.name, input=_input(block))


def _empty(block: Block) -> AnswerBlock:
    match block.kind:
        case BlockKind.TEXT:
            return TextAnswer(text="")
        case BlockKind.REASONING:
            return ThinkingAnswer(thinking="")
        case BlockKind.CALL:
            return ToolUseAnswer(id=block.call_id, name=block.name, input={})


def _delta(block: Block, text: str) -> TextDelta | ThinkingDelta | InputDelta:
    match block.kind:
        case BlockKind.TEXT:
            return TextDelta(text=text)
        case BlockKind.REASONING:
            return ThinkingDelta(thinking=text)
        case BlockKind.CALL:
            return InputDelta(partial_json=text)


def _is_half_a_call(block: Block) -> bool:
    """Whether the last block of an answer that was cut off is a call without the end of its input.
    Clients run the calls of a message, so half of one is no part of it: with what came of its input
    it would do something else than the model meant."""
    return block.kind is BlockKind.CALL and _json_object(block.text) is None


def _input(block: Block) -> dict[str, Any]:
    value = _json_object(block.text or "{}")
    if value is None:
        raise InferenceError(f"The model called {block.name} with an input that is no JSON object")
    return value


def _json_object(text: str) -> dict[str, Any] | None:
    """Half of a surrogate pair becomes U+FFFD, for it could not be sent."""
    try:
        value = from_json(
            _ESCAPES.sub(lambda escape: escape[1] or "\ufffd", text), allow_inf_nan=False
        )
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _usage(n_prompt: int, n_cached: int, n_output: int, n_reasoning: int) -> MessageUsage:
    return MessageUsage(
        input_tokens=n_prompt - n_cached,
        cache_read_input_tokens=n_cached,
        output_tokens=n_output,
        output_tokens_details=OutputTokensDetails(n_reasoning),
    )
