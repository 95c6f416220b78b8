"""What ``POST /v1/messages`` answers, whole and in events. Field names are the Anthropic API's."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from minerva_desktop.server.schemas.common import AnswerTimings

StopReason = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"
]


class TextAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """What the model said. It cites nothing."""

    text: str


class ThinkingAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="thinking"):
    """What the model thought. Nobody signs it."""

    thinking: str
    signature: Literal[""] = ""


class ToolUseAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool_use"):
    """What the model wants to have called."""

    id: str
    name: str
    input: dict[str, Any]


AnswerBlock = TextAnswer | ThinkingAnswer | ToolUseAnswer


class OutputTokensDetails(msgspec.Struct, frozen=True):
    """Tokens of the train of thought, which count among the output's."""

    thinking_tokens: int


class MessageUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one message, those so far in a stream. ``input_tokens`` leaves out the cached ones.
    Whatever is computed stays in the KV cache; nothing is written to it beyond that."""

    input_tokens: int
    cache_creation_input_tokens: Literal[0] = 0
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    service_tier: Literal["standard"] = "standard"


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. ``timings``, ``dropped_messages`` and ``shifted_tokens`` are as in chat
    completions."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: tuple[AnswerBlock, ...] = ()
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessageUsage
    timings: AnswerTimings | UnsetType = UNSET
    dropped_messages: int | UnsetType = UNSET
    shifted_tokens: int | UnsetType = UNSET


class TokenCount(msgspec.Struct, frozen=True):
    """Answer to ``POST /v1/messages/count_tokens``."""

    input_tokens: int


# -- events ------------------------------------------------------------------------------------


class MessageStart(msgspec.Struct, frozen=True, kw_only=True):
    """The message begins; it is empty as yet."""

    type: Literal["message_start"] = "message_start"
    message: MessageAnswer


class BlockStart(msgspec.Struct, frozen=True, kw_only=True):
    """A block begins; it is empty as yet."""

    type: Literal["content_block_start"] = "content_block_start"
    index: int
    content_block: AnswerBlock


class TextDelta(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text_delta"):
    """More text."""

    text: str


class ThinkingDelta(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="thinking_delta"
):
    """More thoughts."""

    thinking: str


class SignatureDelta(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="signature_delta"
):
    """The end of thoughts, as clients expect it."""

    signature: Literal[""] = ""


class InputDelta(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="input_json_delta"
):
    """More of the JSON text of a call's input."""

    partial_json: str


class BlockDelta(msgspec.Struct, frozen=True, kw_only=True):
    """A block goes on."""

    type: Literal["content_block_delta"] = "content_block_delta"
    index: int
    delta: TextDelta | ThinkingDelta | SignatureDelta | InputDelta


class BlockStop(msgspec.Struct, frozen=True, kw_only=True):
    """A block is whole."""

    type: Literal["content_block_stop"] = "content_block_stop"
    index: int


class StopDelta(msgspec.Struct, frozen=True, kw_only=True):
    """Why the message ends."""

    stop_reason: StopReason
    stop_sequence: str | None


class MessageDelta(msgspec.Struct, frozen=True, kw_only=True):
    """The message ends, with the numbers of all of it."""

    type: Literal["message_delta"] = "message_delta"
    delta: StopDelta
    usage: MessageUsage
    timings: AnswerTimings
    dropped_messages: int | UnsetType = UNSET
    shifted_tokens: int | UnsetType = UNSET


class MessageStop(msgspec.Struct, frozen=True, kw_only=True):
    """The message is over."""

    type: Literal["message_stop"] = "message_stop"


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing happened, and the connection lives."""

    type: Literal["ping"] = "ping"


MessageEvent = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop
