"""The JSON values that cross the HTTP border.

Requests are pydantic models, validated strictly ("0.7" is no number); they keep the fields that
they don't name, for `parameters` to judge. Lists fail fast: of two million wrong items only the
first is reported. Answers are msgspec Structs, because a streamed answer encodes one a token.
Field names are the OpenAI API's.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

MAX_MESSAGES = 10_000
MAX_CONTENT_PARTS = 1_000
MAX_MODEL_NAME = 512
# Union branches as they appear in pydantic's error locations; no field has such a name.
STRING_BRANCH = "<string>"
LIST_BRANCH = "<list>"

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]


def _branch(value: object) -> str | None:
    if isinstance(value, str):
        return STRING_BRANCH
    return LIST_BRANCH if isinstance(value, list) else None


class RequestModel(BaseModel):
    """Base of the request bodies."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)


class ContentPart(RequestModel):
    """One part of a message's content. Only ``text`` parts are understood so far."""

    type: str
    text: str | None = None


Content = Annotated[
    Annotated[str, Tag(STRING_BRANCH)]
    | Annotated[
        list[ContentPart],
        Tag(LIST_BRANCH),
        Field(min_length=1, max_length=MAX_CONTENT_PARTS, fail_fast=True),
    ],
    Discriminator(
        _branch,
        custom_error_type="content_type",
        custom_error_message="Input should be a string or a list of content parts",
    ),
]

Stop = Annotated[
    Annotated[str, Tag(STRING_BRANCH)]
    | Annotated[list[str], Tag(LIST_BRANCH), Field(fail_fast=True)],
    Discriminator(
        _branch,
        custom_error_type="stop_type",
        custom_error_message="Input should be a string or a list of strings",
    ),
]


class ChatMessage(RequestModel):
    """One message of the prompt."""

    role: str
    content: Content | None = None


class StreamOptions(RequestModel):
    """How to stream."""

    include_usage: bool | None = None


class ChatCompletionRequest(RequestModel):
    """Body of ``POST /v1/chat/completions``: the fields that are obeyed."""

    model: Annotated[str, Field(min_length=1, max_length=MAX_MODEL_NAME)]
    messages: Annotated[
        list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)
    ]
    temperature: float | None = None
    top_p: float | None = None
    top_k: Int64 | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: Int64 | None = None
    seed: Int64 | None = None
    stop: Stop | None = None
    max_tokens: Int64 | None = None
    max_completion_tokens: Int64 | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


# -- answers -----------------------------------------------------------------------------------


class PromptTokensDetails(msgspec.Struct, frozen=True):
    """Prompt tokens that were taken from the KV cache."""

    cached_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer. ``prompt_tokens`` includes the cached ones."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class AnswerTimings(msgspec.Struct, frozen=True, kw_only=True):
    """Speeds of one answer, in llama-server's names, and the waits before its first token."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float
    queue_ms: float
    first_token_ms: float


class AssistantMessage(msgspec.Struct, frozen=True):
    """The whole answer."""

    content: str
    role: Literal["assistant"] = "assistant"
    refusal: None = None


class Choice(msgspec.Struct, frozen=True):
    """The only choice: ``n`` is 1."""

    message: AssistantMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not streamed."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: tuple[Choice, ...]
    usage: Usage
    timings: AnswerTimings


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one chunk adds to the message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True):
    """The only choice of a chunk."""

    delta: Delta
    finish_reason: str | None = None
    index: int = 0
    logprobs: None = None


class ChatCompletionChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a streamed answer. ``usage`` is null until the chunk that brings it, and not
    there at all when the client did not ask for it."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str
    choices: tuple[ChunkChoice, ...]
    usage: Usage | UnsetType | None = UNSET
    timings: AnswerTimings | UnsetType = UNSET


class ModelMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model without loading it. Sizes in bytes, lengths in tokens."""

    size_bytes: int
    quantisation: str | None
    n_ctx_train: int | None
    architecture: str
    loaded: bool


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """One model, as ``GET /v1/models`` lists it. ``created``: Unix time in seconds."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "minerva"
    meta: ModelMeta


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``GET /v1/models``."""

    object: Literal["list"] = "list"
    data: tuple[ModelObject, ...]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to ``GET /health``."""

    status: Literal["ok"] = "ok"
    version: str
    loaded: tuple[str, ...]
