"""Tools that a model may ask for, and the calls that it makes: values without I/O.

A schema and a call's arguments are JSON text, not objects: they cross a process border, and a
model's text need not be JSON at all.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

from minerva_desktop.errors import InvalidRequest

ANY_OBJECT = '{"type":"object","properties":{}}'

MAX_TOOLS = 128  # OpenAI's bound
MAX_SCHEMA = 100_000  # characters of one tool's parameters
MAX_JSON_DEPTH = 64  # of a schema or the template's variables
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
# What the prompt itself is made from; a variable of that name would take its place.
RESERVED_VARIABLES = frozenset(
    {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "raise_exception"}
    | {"strftime_now", "namespace", "range", "dict", "cycler", "joiner", "loop", "self", "caller"}
)


class Tool(msgspec.Struct, frozen=True):
    """A function that the one who asks can run. ``parameters`` is a JSON schema, as JSON text;
    ``strict``: the arguments have to follow it, also of a call that the model makes by itself."""

    name: str
    description: str = ""
    parameters: str = ANY_OBJECT
    strict: bool = False


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

    @property
    def shown_tools(self) -> tuple[Tool, ...]:
        """The tools that the model is told of."""
        return () if self.mode is ToolMode.NONE else self.tools

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field as OpenAI's API does, for what cannot be."""
        if len(self.tools) > MAX_TOOLS:
            raise InvalidRequest(
                f"There are {len(self.tools)} tools; at most {MAX_TOOLS} are taken", param="tools"
            )
        names: set[str] = set()
        for index, tool in enumerate(self.tools):
            _check_name(tool.name, index, names)
            tool_schema(tool, index)
        self._check_choice(names)
        self.template_variables()

    def template_variables(self) -> dict[str, Any]:
        """``variables`` as an object; raises `InvalidRequest` where it is none, or hides what the
        prompt is made from."""
        if self.variables is None:
            return {}
        found = _object(self.variables, "chat_template_kwargs", "chat_template_kwargs")
        if taken := sorted(RESERVED_VARIABLES & found.keys()):
            raise InvalidRequest(
                f"chat_template_kwargs cannot set “{taken[0]}”", param="chat_template_kwargs"
            )
        return found

    def _check_choice(self, names: set[str]) -> None:
        if self.mode is ToolMode.REQUIRED and not self.tools:
            raise InvalidRequest(
                "A tool call is required, but there are no tools", param="tool_choice"
            )
        if self.only_tool is None:
            return
        if self.mode is not ToolMode.REQUIRED:
            raise InvalidRequest("One tool is named, but none is required", param="tool_choice")
        if self.only_tool not in names:
            raise InvalidRequest(
                f"“{self.only_tool}” is to be called, but is none of the tools", param="tool_choice"
            )


def tool_schema(tool: Tool, index: int) -> dict[str, Any]:
    """The parameters of tool number ``index`` as an object; raises `InvalidRequest`."""
    return _object(tool.parameters, f"The parameters of “{tool.name}”", schema_field(index))


def schema_field(index: int) -> str:
    """How OpenAI's API calls the schema of tool number ``index``."""
    return f"tools[{index}].function.parameters"


def _check_name(name: str, index: int, names: set[str]) -> None:
    field = f"tools[{index}].function.name"
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            "A tool's name is 1 to 128 letters, digits, “_”, “-” and “.”", param=field
        )
    if name in names:
        raise InvalidRequest(f"Two tools have the name “{name}”", param=field)
    names.add(name)


def _object(text: str, what: str, field: str) -> dict[str, Any]:
    if len(text) > MAX_SCHEMA:
        raise InvalidRequest(
            f"{what} has {len(text):,} characters; at most {MAX_SCHEMA:,} are taken", param=field
        )
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidRequest(f"{what}: this is no JSON ({error})", param=field) from error
    if not isinstance(found, dict):
        raise InvalidRequest(f"{what}: there should be a JSON object", param=field)
    if is_deep(found):
        raise InvalidRequest(f"{what}: it is nested over {MAX_JSON_DEPTH} levels deep", param=field)
    return found


def is_deep(value: object) -> bool:
    """Whether a JSON value has more than `MAX_JSON_DEPTH` levels; without recursion."""
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        inner: list[object] = []
        for container in level:
            if isinstance(container, dict):
                inner.extend(container.values())
            elif isinstance(container, list):
                inner.extend(container)
        if not inner:
            return False
        level = inner
    return True
