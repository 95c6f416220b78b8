"""The events of a streamed ``POST /v1/responses``; each is named by its ``type``.

``sequence_number`` counts the events of one stream from 0, ``output_index`` the items of its
response, ``content_index`` the parts of an item.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from minerva_desktop.server.schemas.chat import ContentLogprob
from minerva_desktop.server.schemas.response_object import (
    OutputItem,
    OutputText,
    ReasoningText,
    ResponseObject,
)

ResponseChange = Literal[
    "response.created",
    "response.in_progress",
    "response.completed",
    "response.incomplete",
    "response.failed",
]
ItemChange = Literal["response.output_item.added", "response.output_item.done"]
PartChange = Literal["response.content_part.added", "response.content_part.done"]


class ResponseChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The response itself began, goes on, or ended in one of three ways."""

    type: ResponseChange
    sequence_number: int
    response: ResponseObject


class ItemChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An item began or is whole."""

    type: ItemChange
    sequence_number: int
    output_index: int
    item: OutputItem


class PartChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an item began or is whole."""

    type: PartChange
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int = 0
    part: OutputText | ReasoningText


class OutputTextDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a message's text."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int = 0
    delta: str
    logprobs: tuple[ContentLogprob, ...]


class OutputTextDone(msgspec.Struct, frozen=True, kw_only=True):
    """All of a message's text."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int = 0
    text: str
    logprobs: tuple[ContentLogprob, ...]


class ReasoningTextDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a train of thought."""

    type: Literal["response.reasoning_text.delta"] = "response.reasoning_text.delta"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int = 0
    delta: str


class ReasoningTextDone(msgspec.Struct, frozen=True, kw_only=True):
    """All of a train of thought."""

    type: Literal["response.reasoning_text.done"] = "response.reasoning_text.done"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int = 0
    text: str


class ArgumentsDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a call's arguments."""

    type: Literal["response.function_call_arguments.delta"] = (
        "response.function_call_arguments.delta"
    )
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class ArgumentsDone(msgspec.Struct, frozen=True, kw_only=True):
    """All of a call's arguments."""

    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    sequence_number: int
    item_id: str
    output_index: int
    name: str
    arguments: str


class ErrorEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Why the response that follows failed."""

    type: Literal["error"] = "error"
    sequence_number: int
    code: str
    message: str
    param: str | None


ResponseEvent = (
    ResponseChanged
    | ItemChanged
    | PartChanged
    | OutputTextDelta
    | OutputTextDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | ArgumentsDelta
    | ArgumentsDone
    | ErrorEvent
)
