"""Tools that a model may ask for, and the calls that it makes: values without I/O.

A schema and a call's arguments are JSON text, not objects: they cross a process border, and a
model's text need not be JSON at all.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

ANY_OBJECT = '{"type":"object","properties":{}}'


class Tool(msgspec.Struct, frozen=True):
    """A function that the one who asks can run. ``parameters`` is a JSON schema, as JSON text."""

    name: str
    description: str = ""
    parameters: str = ANY_OBJECT


class ToolCall(msgspec.Struct, frozen=True):
    """A model's wish to have a function run. ``arguments``: a JSON object, as JSON text."""

    id: str
    name: str
    arguments: str


class ToolMode(StrEnum):
    """Whether an answer may call tools, must, or must not."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class ChatOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of the chat template and of the answer's shape.

    ``only_tool`` names the one tool that a `ToolMode.REQUIRED` answer has to call; ``parallel``
    False allows one call at most. ``variables``: a JSON object, as JSON text, whose members the
    template sees as variables (``enable_thinking``, ``reasoning_effort``, …).
    """

    tools: tuple[Tool, ...] = ()
    mode: ToolMode = ToolMode.AUTO
    only_tool: str | None = None
    parallel: bool = True
    variables: str | None = None
