"""``POST /v1/chat/completions``: its body and its answers. Field names are the OpenAI API's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field, Tag, model_validator

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.server.schemas.common import (
    LIST_BRANCH,
    MAX_NAME,
    OBJECT_BRANCH,
    AnswerTimings,
    JsonObject,
    Metadata,
    OptionalModel,
    PositiveTokenLimit,
    RequestModel,
    RunFields,
    SamplingFields,
    Store,
    StreamOptions,
    Text,
    TextOrObject,
    TopLogprobs,
    Usage,
    one_of,
    word_of,
)

MAX_MESSAGES = 10_000
MAX_FUNCTION_NAME = MAX_NAME * 2
MAX_CONTENT_PARTS = 1_000
MAX_TOOLS = 128  # OpenAI's bound
MAX_TOOL_CALLS = 1_000
ROLES = ("system", "developer", "user", "assistant", "tool")
FORMATS = ("text", "json_object", "json_schema")
REASONING_FORMATS = ("none", "auto", "deepseek")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
TOOL_MODES = ("none", "auto", "required")


FileData = Annotated[
    str | None,
    Field(
        description="A text file or a PDF, as a data: URL or in base64. Its text goes into the"
        " prompt, with its name. Nothing is fetched from the network or the disk."
    ),
]


class FileContent(RequestModel):
    """A file that is sent along. None is kept here, so none has a ``file_id``."""

    file_data: FileData = None
    filename: str | None = None
    file_id: str | None = None


class ContentPart(RequestModel):
    """One part of a message's content: ``text``, ``file``, or ``refusal``, which comes back in an
    assistant's message."""

    type: str
    text: str | None = None
    refusal: str | None = None
    file: FileContent | None = None


Content = Annotated[
    Text
    | Annotated[
        list[ContentPart],
        Tag(LIST_BRANCH),
        Field(min_length=1, max_length=MAX_CONTENT_PARTS, fail_fast=True),
    ],
    one_of("a string or a list of content parts"),
]


class CalledFunction(RequestModel):
    """The function of a call that the model made earlier."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME * 4)]
    arguments: TextOrObject


class RequestToolCall(RequestModel):
    """A call that the model made earlier."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(RequestModel):
    """One message of the prompt. ``reasoning_content`` is an assistant's train of thought, which
    other servers call ``reasoning``."""

    role: Annotated[str, word_of(ROLES)]
    content: Content | None = None
    name: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: (
        Annotated[list[RequestToolCall], Field(max_length=MAX_TOOL_CALLS, fail_fast=True)] | None
    ) = None
    tool_call_id: str | None = None


# Longer than OpenAI takes: clients put the names of a server and of its tool (MCP) together.
ToolName = Annotated[str, Field(pattern=rf"^[a-zA-Z0-9_.-]{{1,{MAX_FUNCTION_NAME}}}$")]


class FunctionDefinition(RequestModel):
    """A function that the model may call."""

    name: ToolName
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class ToolDefinition(RequestModel):
    """A tool that the model may use; functions are the only kind."""

    type: str
    function: FunctionDefinition | None = None


class NamedFunction(RequestModel):
    """The function that has to be called."""

    name: str


class NamedTool(RequestModel):
    """A tool by its name."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTools(RequestModel):
    """Some of the tools, of which ``mode`` says whether one has to be used."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1, max_length=MAX_TOOLS, fail_fast=True)]


class ToolChoiceObject(RequestModel):
    """A ``function`` that has to be called, or the ``allowed_tools``, as the type says."""

    type: Literal["function", "allowed_tools"]
    function: NamedFunction | None = None
    allowed_tools: AllowedTools | None = None


ToolChoice = Annotated[
    Annotated[Text, word_of(TOOL_MODES)] | Annotated[ToolChoiceObject, Tag(OBJECT_BRANCH)],
    one_of("none, auto, required or an object"),
]


class SchemaFormat(RequestModel):
    """A JSON schema that the answer has to follow."""

    name: str | None = None
    description: str | None = None
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(RequestModel):
    """Which form the answer has."""

    type: Annotated[str, word_of(FORMATS)]
    json_schema: SchemaFormat | None = None
    # llama-server takes the schema of either type here, and Hugging Face's clients send it as
    # `value`, where it may have a name, too.
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None
    value: JsonObject | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_value(cls, data: Any) -> Any:
        """What has a name in `value` is a `json_schema`."""
        if not isinstance(data, dict) or data.get("type") != "json_schema" or "json_schema" in data:
            return data
        value = data.get("value")
        if not isinstance(value, dict) or not isinstance(value.get("schema"), dict):
            return data
        return {**data, "value": None, "json_schema": value}


class ChatFields(RequestModel):
    """What makes the prompt of a chat."""

    messages: Annotated[
        list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)
    ]
    tools: Annotated[list[ToolDefinition], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = (
        None
    )
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Annotated[
        Annotated[str, word_of(EFFORTS)] | None,
        Field(
            description="What the chat template makes of it. `none` also turns thinking off, and "
            "all others on, in templates that have a switch for it."
        ),
    ] = None
    chat_template_kwargs: Annotated[
        JsonObject | None,
        Field(
            description="Variables of the chat template. `enable_thinking` and `thinking` are the "
            "same switch: either works with templates that have the other."
        ),
    ] = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None


class ChatCompletionRequest(ChatFields, SamplingFields, RunFields):
    """Body of ``POST /v1/chat/completions``: the fields that are obeyed."""

    model: OptionalModel = None
    max_tokens: PositiveTokenLimit = None
    max_completion_tokens: PositiveTokenLimit = None
    n_predict: PositiveTokenLimit = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: TopLogprobs = None
    response_format: ResponseFormat | None = None
    reasoning_format: Annotated[str, word_of(REASONING_FORMATS)] | None = None
    user: str | None = None
    metadata: Metadata | None = None
    store: Store = None


# -- answers -----------------------------------------------------------------------------------


class TopLogprob(msgspec.Struct, frozen=True):
    """A token that could have stood here. ``bytes`` is its UTF-8, which ``token`` may lack."""

    token: str
    logprob: float
    bytes: tuple[int, ...]


class ContentLogprob(msgspec.Struct, frozen=True):
    """A token of the answer and its natural log-probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...]
    top_logprobs: tuple[TopLogprob, ...]

    @classmethod
    def of(cls, logprob: TokenLogprob) -> ContentLogprob:
        """From the engine's."""
        top = tuple(TopLogprob(*_token(other)) for other in logprob.top)
        return cls(*_token(logprob), top)


def _token(logprob: TokenLogprob) -> tuple[str, float, tuple[int, ...]]:
    piece = logprob.piece
    return piece.decode("utf-8", "replace"), logprob.logprob, tuple(piece)


class ChoiceLogprobs(msgspec.Struct, frozen=True):
    """Log-probabilities of a choice's tokens."""

    content: tuple[ContentLogprob, ...]
    refusal: None = None


class AnswerFunction(msgspec.Struct, frozen=True):
    """The function that the model wants to have called; ``arguments`` is JSON text."""

    name: str
    arguments: str


class AnswerToolCall(msgspec.Struct, frozen=True):
    """A call that the model makes."""

    id: str
    function: AnswerFunction
    type: Literal["function"] = "function"


class AssistantMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. ``content`` is null where there are only tool calls."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: tuple[AnswerToolCall, ...] | UnsetType = UNSET


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of ``n`` answers."""

    index: int
    message: AssistantMessage
    logprobs: ChoiceLogprobs | None = None
    finish_reason: str


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not streamed. ``timings`` are there where it is a single choice.

    ``dropped_messages`` oldest ones were left out of the prompt, and ``shifted_tokens`` forgotten
    on the way, where ``overflow`` allowed it.
    """

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: tuple[Choice, ...]
    usage: Usage
    timings: AnswerTimings | UnsetType = UNSET
    dropped_messages: int | UnsetType = UNSET
    shifted_tokens: int | UnsetType = UNSET


class DeltaFunction(msgspec.Struct, frozen=True):
    """What a chunk adds to a call."""

    arguments: str
    name: str | UnsetType = UNSET


class DeltaToolCall(msgspec.Struct, frozen=True):
    """What a chunk adds to a call; its id, type and name come with its first chunk."""

    index: int
    function: DeltaFunction
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one chunk adds to the message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: tuple[DeltaToolCall, ...] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a chunk adds to one of ``n`` answers."""

    index: int
    delta: Delta
    logprobs: ChoiceLogprobs | None = None
    finish_reason: str | None = None


class PromptProgress(msgspec.Struct, frozen=True):
    """How far the prompt is read, in tokens, after so many milliseconds."""

    total: int
    cache: int
    processed: int
    time_ms: int


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
    prompt_progress: PromptProgress | UnsetType = UNSET
    dropped_messages: int | UnsetType = UNSET
    shifted_tokens: int | UnsetType = UNSET
