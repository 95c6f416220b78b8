"""The answers of ``POST /v1/responses`` and ``/v1/responses/input_tokens``.

Field names are the OpenAI API's.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from minerva_desktop.server.schemas.chat import ContentLogprob
from minerva_desktop.server.schemas.common import (
    AnswerTimings,
    CompletionTokensDetails,
)

COMPLETED: Literal["completed"] = "completed"
INCOMPLETE: Literal["incomplete"] = "incomplete"
IN_PROGRESS: Literal["in_progress"] = "in_progress"
FAILED: Literal["failed"] = "failed"

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["in_progress", "completed", "incomplete", "failed"]


class OutputText(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="output_text"):
    """The text of a message."""

    text: str
    annotations: tuple[()] = ()
    logprobs: tuple[ContentLogprob, ...] = ()


class ReasoningText(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning_text"
):
    """The text of a train of thought."""

    text: str


class OutputMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """What the model said."""

    id: str
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: tuple[OutputText, ...] = ()


class OutputReasoning(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What the model thought. Nobody summarises it."""

    id: str
    status: ItemStatus
    summary: tuple[()] = ()
    content: tuple[ReasoningText, ...] = ()


class OutputCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """What the model wants to have called; ``arguments`` is JSON text."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    arguments: str = ""


OutputItem = OutputMessage | OutputReasoning | OutputCall


class InputTokensDetails(msgspec.Struct, frozen=True):
    """Tokens of the input that were taken from the KV cache, and that are in it now in addition."""

    cached_tokens: int
    cache_write_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one response. ``input_tokens`` includes the cached ones."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: CompletionTokensDetails
    total_tokens: int


class IncompleteDetails(msgspec.Struct, frozen=True):
    """Why a response is incomplete. The API has one word for the request's limit of tokens and for
    the end of the context."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponseError(msgspec.Struct, frozen=True):
    """Why a response failed."""

    code: str
    message: str


class ResponseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a response says of its request. Values that are objects are as the client sent them, and
    null where it left something out."""

    frequency_penalty: float
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    presence_penalty: float
    prompt_cache_key: str | None
    reasoning: dict[str, str | None]
    safety_identifier: str | None
    temperature: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float
    truncation: str
    user: str | None
    background: Literal[False] = False
    previous_response_id: None = None
    service_tier: Literal["default"] = "default"
    store: Literal[False] = False


class ResponseObject(ResponseSettings, frozen=True, kw_only=True):
    """A response, as far as it has come. Times are Unix times in seconds.

    ``timings``, ``dropped_messages`` and ``shifted_tokens`` are as in chat completions.
    """

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: ResponseStatus
    model: str
    output: tuple[OutputItem, ...] = ()
    usage: ResponseUsage | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    timings: AnswerTimings | UnsetType = UNSET
    dropped_messages: int | UnsetType = UNSET
    shifted_tokens: int | UnsetType = UNSET


class InputTokens(msgspec.Struct, frozen=True):
    """Answer to ``POST /v1/responses/input_tokens``."""

    input_tokens: int
    object: Literal["response.input_tokens"] = "response.input_tokens"
