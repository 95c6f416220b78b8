"""``POST /v1/messages`` and ``/v1/messages/count_tokens``: their bodies. Field names are the
Anthropic API's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from minerva_desktop.chat.sampling import MAX_STOP_STRINGS
from minerva_desktop.server.schemas.chat import MAX_CONTENT_PARTS, MAX_MESSAGES, MAX_TOOLS
from minerva_desktop.server.schemas.common import (
    LIST_BRANCH,
    OTHER_BRANCH,
    Int64,
    JsonObject,
    OptionalModel,
    RequestModel,
    RunFields,
    SamplingFields,
    Text,
    at_most_items,
    one_of,
    one_of_types,
    word_of,
)

TEXT = "text"
THINKING = "thinking"
REDACTED_THINKING = "redacted_thinking"
TOOL_USE = "tool_use"
TOOL_RESULT = "tool_result"
DOCUMENT = "document"
EFFORTS = ("low", "medium", "high", "xhigh", "max")

MAX_TOOL_NAME = 128
_Id = Annotated[str, Field(min_length=1, max_length=256)]
_ToolName = Annotated[str, Field(pattern=rf"^[a-zA-Z0-9_.-]{{1,{MAX_TOOL_NAME}}}$")]


class TextBlock(RequestModel):
    """Text."""

    type: Literal["text"]
    text: str


class ThinkingBlock(RequestModel):
    """A train of thought that the model had earlier. Nobody here signs any."""

    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(RequestModel):
    """A train of thought that only Anthropic can read."""

    type: Literal["redacted_thinking"]
    data: str


class ToolUseBlock(RequestModel):
    """A call that the model made earlier."""

    type: Literal["tool_use"]
    id: _Id
    name: Annotated[str, Field(min_length=1, max_length=MAX_TOOL_NAME * 2)]
    input: JsonObject


class DocumentSource(RequestModel):
    """Where a document is: in ``data``, as it is (``text``) or in base64 (``base64``)."""

    type: str
    media_type: str | None = None
    data: str | None = None


class DocumentBlock(RequestModel):
    """A text file or a PDF that is sent along. Its text goes into the prompt, behind ``context``
    and its ``title``. Nothing is fetched from the network or the disk."""

    type: Literal["document"]
    source: DocumentSource
    title: str | None = None
    context: str | None = None


class OtherBlock(RequestModel):
    """A block of a kind that is not to be had here."""

    type: str


ResultBlock = Annotated[
    Annotated[TextBlock, Tag(f"<{TEXT}>")]
    | Annotated[DocumentBlock, Tag(f"<{DOCUMENT}>")]
    | Annotated[OtherBlock, Tag(OTHER_BRANCH)],
    one_of_types((TEXT, DOCUMENT)),
]
_Results = Annotated[
    list[ResultBlock], Tag(LIST_BRANCH), Field(max_length=MAX_CONTENT_PARTS, fail_fast=True)
]


class ToolResultBlock(RequestModel):
    """What came of a call."""

    type: Literal["tool_result"]
    tool_use_id: _Id
    content: Annotated[Text | _Results, one_of("a string or a list of content blocks")] | None = (
        None
    )
    is_error: bool | None = None


ContentBlock = Annotated[
    Annotated[TextBlock, Tag(f"<{TEXT}>")]
    | Annotated[DocumentBlock, Tag(f"<{DOCUMENT}>")]
    | Annotated[ThinkingBlock, Tag(f"<{THINKING}>")]
    | Annotated[RedactedThinkingBlock, Tag(f"<{REDACTED_THINKING}>")]
    | Annotated[ToolUseBlock, Tag(f"<{TOOL_USE}>")]
    | Annotated[ToolResultBlock, Tag(f"<{TOOL_RESULT}>")]
    | Annotated[OtherBlock, Tag(OTHER_BRANCH)],
    one_of_types((TEXT, DOCUMENT, THINKING, REDACTED_THINKING, TOOL_USE, TOOL_RESULT)),
]
_Blocks = Annotated[
    list[ContentBlock], Tag(LIST_BRANCH), Field(max_length=MAX_CONTENT_PARTS, fail_fast=True)
]


class InputMessage(RequestModel):
    """One message of the prompt."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[Text | _Blocks, one_of("a string or a list of content blocks")]


SystemBlock = Annotated[
    Annotated[TextBlock, Tag(f"<{TEXT}>")] | Annotated[OtherBlock, Tag(OTHER_BRANCH)],
    one_of_types((TEXT,)),
]
_SystemBlocks = Annotated[
    list[SystemBlock], Tag(LIST_BRANCH), Field(max_length=MAX_CONTENT_PARTS, fail_fast=True)
]
System = Annotated[Text | _SystemBlocks, one_of("a string or a list of text blocks")]


class MessageTool(RequestModel):
    """A tool that the model may use. Those that the client runs are the only kind."""

    type: str | None = None
    name: _ToolName | None = None
    description: str | None = None
    input_schema: JsonObject | None = None
    strict: bool | None = None


class ToolChoice(RequestModel):
    """Whether tools have to be used."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingConfig(RequestModel):
    """Whether to think, and whether to tell of it."""

    type: str
    budget_tokens: Int64 | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(RequestModel):
    """A JSON schema that the answer's text follows."""

    type: Literal["json_schema"]
    schema_: Annotated[JsonObject, Field(alias="schema")]


class OutputConfig(RequestModel):
    """How the answer is to be."""

    effort: Annotated[str, word_of(EFFORTS)] | None = None
    format: OutputFormat | None = None


class PromptFields(RequestModel):
    """What a prompt is made of; all of a request to count its tokens."""

    model: OptionalModel = None
    messages: Annotated[
        list[InputMessage], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)
    ]
    system: System | None = None
    tools: Annotated[list[MessageTool], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    chat_template_kwargs: JsonObject | None = None


class MessagesRequest(PromptFields, SamplingFields, RunFields):
    """Body of ``POST /v1/messages``: the fields that are obeyed, or refused with a reason."""

    max_tokens: Annotated[
        int,
        Field(description="0: only have the prompt read, for the next request; -1: no limit."),
    ]
    stop_sequences: (
        Annotated[list[str], Field(fail_fast=True), at_most_items(MAX_STOP_STRINGS)] | None
    ) = None
    stream: bool | None = None
