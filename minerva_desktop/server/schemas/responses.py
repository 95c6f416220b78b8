"""``POST /v1/responses``: its body. Field names are the OpenAI API's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from minerva_desktop.server.schemas.chat import (
    EFFORTS,
    FORMATS,
    MAX_CONTENT_PARTS,
    MAX_MESSAGES,
    MAX_TOOLS,
    TOOL_MODES,
    FileData,
    ToolName,
)
from minerva_desktop.server.schemas.common import (
    LIST_BRANCH,
    MAX_NAME,
    OBJECT_BRANCH,
    OTHER_BRANCH,
    Int64,
    JsonObject,
    Metadata,
    OptionalModel,
    PositiveTokenLimit,
    RequestModel,
    RunFields,
    SamplingFields,
    Store,
    Text,
    TopLogprobs,
    one_of,
    one_of_types,
    word_of,
)

MESSAGE = "message"
FUNCTION_CALL = "function_call"
FUNCTION_CALL_OUTPUT = "function_call_output"
CUSTOM_CALL = "custom_tool_call"
CUSTOM_CALL_OUTPUT = "custom_tool_call_output"
REASONING = "reasoning"
ROLES = ("user", "assistant", "system", "developer")


class InputPart(RequestModel):
    """A part of a message or of a tool's result: ``input_text``, ``output_text``, ``refusal``, or
    ``input_file``, a file that is sent along. None is kept here, so none has a ``file_id``."""

    type: str
    text: str | None = None
    refusal: str | None = None
    file_data: FileData = None
    filename: str | None = None
    file_id: str | None = None
    file_url: str | None = None


Parts = Annotated[
    list[InputPart],
    Tag(LIST_BRANCH),
    Field(min_length=1, max_length=MAX_CONTENT_PARTS, fail_fast=True),
]
TextOrParts = Annotated[Text | Parts, one_of("a string or a list of content parts")]


class MessageItem(RequestModel):
    """What somebody said. The ``type`` of the commonest item may be left out."""

    type: Literal["message"] = "message"
    role: Annotated[str, word_of(ROLES)]
    content: TextOrParts
    phase: str | None = None


class FunctionCallItem(RequestModel):
    """A call that the model made earlier."""

    type: Literal["function_call"]
    call_id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME * 4)]
    namespace: str | None = None
    arguments: str


class FunctionCallOutputItem(RequestModel):
    """What came of a call."""

    type: Literal["function_call_output"]
    call_id: Annotated[str, Field(min_length=1)]
    name: str | None = None
    output: TextOrParts


class CustomCallItem(RequestModel):
    """A call that another model made of a tool which takes a text. No model has such tools here,
    but what they did is told."""

    type: Literal["custom_tool_call"]
    call_id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME * 4)]
    namespace: str | None = None
    input: str


class CustomCallOutputItem(RequestModel):
    """What came of such a call."""

    type: Literal["custom_tool_call_output"]
    call_id: Annotated[str, Field(min_length=1)]
    name: str | None = None
    output: TextOrParts


class ReasoningPart(RequestModel):
    """A piece of a train of thought, or of its summary."""

    type: str
    text: str


Thoughts = Annotated[list[ReasoningPart], Field(max_length=MAX_CONTENT_PARTS, fail_fast=True)]


class ReasoningItem(RequestModel):
    """A train of thought that the model had earlier."""

    type: Literal["reasoning"]
    summary: Thoughts | None = None
    content: Thoughts | None = None
    encrypted_content: str | None = None


class OtherItem(RequestModel):
    """An item of a kind that is not to be had here."""

    type: str


_ITEM_TYPES = (
    *(MESSAGE, FUNCTION_CALL, FUNCTION_CALL_OUTPUT),
    *(CUSTOM_CALL, CUSTOM_CALL_OUTPUT, REASONING),
)
InputItem = Annotated[
    Annotated[MessageItem, Tag(f"<{MESSAGE}>")]
    | Annotated[FunctionCallItem, Tag(f"<{FUNCTION_CALL}>")]
    | Annotated[FunctionCallOutputItem, Tag(f"<{FUNCTION_CALL_OUTPUT}>")]
    | Annotated[CustomCallItem, Tag(f"<{CUSTOM_CALL}>")]
    | Annotated[CustomCallOutputItem, Tag(f"<{CUSTOM_CALL_OUTPUT}>")]
    | Annotated[ReasoningItem, Tag(f"<{REASONING}>")]
    | Annotated[OtherItem, Tag(OTHER_BRANCH)],
    one_of_types(_ITEM_TYPES, default=MESSAGE),
]
Items = Annotated[
    list[InputItem],
    Tag(LIST_BRANCH),
    Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True),
]
Input = Annotated[Text | Items, one_of("a string or a list of items")]


class FunctionTool(RequestModel):
    """A function that the model may call. Beside functions, OpenAI's own tools are left out."""

    type: str
    name: ToolName | None = None
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class ResponseTool(FunctionTool):
    """A function, or a ``namespace`` of several, its ``tools``."""

    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = None


class AllowedTool(RequestModel):
    """One of the tools among which a request chooses."""

    type: str
    name: str | None = None
    namespace: str | None = None


class ResponseToolChoiceObject(RequestModel):
    """A function that has to be called (``name``, and the ``namespace`` that it is in), or some
    ``tools`` of which the ``mode`` says whether one has to be."""

    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: (
        Annotated[list[AllowedTool], Field(min_length=1, max_length=MAX_TOOLS, fail_fast=True)]
        | None
    ) = None


ResponseToolChoice = Annotated[
    Annotated[Text, word_of(TOOL_MODES)] | Annotated[ResponseToolChoiceObject, Tag(OBJECT_BRANCH)],
    one_of("“none”, “auto”, “required” or an object"),
]


class TextFormat(RequestModel):
    """Which form the answer's text has."""

    type: Annotated[str, word_of(FORMATS)]
    name: str | None = None
    description: str | None = None
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextConfig(RequestModel):
    """How the answer's text is to be."""

    format: TextFormat | None = None


class ReasoningConfig(RequestModel):
    """How long to think, and what of it to tell."""

    effort: Annotated[str, word_of(EFFORTS)] | None = None
    summary: str | None = None
    generate_summary: str | None = None


class ResponseStreamOptions(RequestModel):
    """How to stream: nothing that can be chosen here."""


class ResponsesRequest(SamplingFields, RunFields):
    """Body of ``POST /v1/responses``: the fields that are obeyed, or refused with a reason."""

    model: OptionalModel = None
    input: Input
    instructions: str | None = None
    max_output_tokens: PositiveTokenLimit = None
    max_tool_calls: Annotated[
        Int64 | None,
        Field(description="Of built-in tools, of which there are none here."),
    ] = None
    include: Annotated[list[str], Field(max_length=32, fail_fast=True)] | None = None
    top_logprobs: TopLogprobs = None
    metadata: Metadata | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    reasoning: ReasoningConfig | None = None
    safety_identifier: str | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    text: TextConfig | None = None
    tool_choice: ResponseToolChoice | None = None
    tools: Annotated[list[ResponseTool], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    chat_template_kwargs: JsonObject | None = None
    background: bool | None = None
    conversation: Any = None
    previous_response_id: str | None = None
    store: Store = None
