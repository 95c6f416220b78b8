"""Tools and calls in words, for chat templates that have no place for them. Pure Python."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from minerva_desktop.chat.tools import Tool, ToolCall, is_deep
from minerva_desktop.engine.call_syntax import CallSyntax, Shape
from minerva_desktop.engine.core.marked_notation import marked_value

_EXAMPLE = ToolCall(id="", name="function_name", arguments='{"argument_name": "value"}')


def tool_instruction(syntax: CallSyntax, tools: Sequence[Tool]) -> str:
    """What a model is told of ``tools``, and how it has to call them."""
    lines = "\n".join(json.dumps(described_tool(tool)["function"]) for tool in tools)
    more = "Make one call at a time." if syntax.single else "You may make several calls in a row."
    return (
        "You can call functions. Here they are, one a line, with a JSON schema of what each takes:"
        f"\n\n{lines}\n\n"
        "When a function helps to answer, reply with a call of it instead of an answer, written "
        f"exactly like this:\n\n{call_text(syntax, [_EXAMPLE])}\n\n"
        f"{more} Then wait: the next message tells you what came of it. "
        "When no function helps, answer in plain words."
    )


def result_text(name: str, result: str) -> str:
    """What came of a call, as a turn of the user."""
    return f"The function {name} returned:\n{result}" if name else f"A function returned:\n{result}"


def described_tool(tool: Tool) -> dict[str, dict[str, object] | str]:
    """A tool as OpenAI's API describes it, which is what templates know."""
    function: dict[str, object] = {"name": tool.name, "description": tool.description}
    function["parameters"] = msgspec.json.decode(tool.parameters)
    return {"type": "function", "function": function}


def call_text(syntax: CallSyntax, calls: Sequence[ToolCall]) -> str:
    """``calls`` as a model of this family writes them."""
    opening, closing = syntax.call
    if syntax.shape is Shape.HARMONY:
        return "".join(
            f"<|channel|>commentary to=functions.{call.name} <|constrain|>json<|message|>"
            f"{call.arguments}<|call|>"
            for call in calls
        )
    if syntax.shape in {Shape.JSON, Shape.CODE}:
        texts = [_listed_call(syntax, call, index) for index, call in enumerate(calls)]
        if syntax.listed:
            return f"{opening}[{', '.join(texts)}]{closing}"
        return syntax.separator.join(f"{opening}{text}{closing}" for text in texts)
    written = [
        f"{opening}{syntax.name_prefix}{call.name}{f':{number}' if syntax.is_numbered else ''}"
        f"{syntax.middle}{_arguments(syntax, call)}{closing}"
        for number, call in enumerate(calls)
    ]
    return f"{syntax.section[0]}{syntax.separator.join(written)}{syntax.section[1]}"


def _listed_call(syntax: CallSyntax, call: ToolCall, index: int) -> str:
    if syntax.shape is Shape.CODE:
        return f"{call.name}({_arguments(syntax, call)})"
    number = f'"{syntax.id_before}": "{index}", ' if syntax.id_before else ""
    name, arguments = json.dumps(call.name), call.arguments or "{}"
    return f'{{{number}"{syntax.name_key}": {name}, "{syntax.arguments_key}": {arguments}}}'


def _arguments(syntax: CallSyntax, call: ToolCall) -> str:
    if syntax.shape not in {Shape.TAGGED, Shape.MARKED, Shape.CODE}:
        return call.arguments or "{}"
    try:
        values = msgspec.json.decode(call.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        values = None
    if not isinstance(values, dict) or is_deep(values):
        return call.arguments
    if syntax.shape is Shape.CODE:
        dumped = ((key, json.dumps(value, ensure_ascii=False)) for key, value in values.items())
        return ", ".join(f"{key}={text}" for key, text in dumped)
    if syntax.shape is Shape.MARKED:
        try:
            return marked_value(values, syntax.quote)
        except ValueError:  # something in it cannot be so written; as JSON it is read, too
            return call.arguments
    before, between, behind = syntax.parameter
    return "".join(
        f"{before}{key}{between}{value if isinstance(value, str) else json.dumps(value)}{behind}"
        for key, value in values.items()
    )
