"""Tools, the choice among them, and what the chat template is told, as `ChatOptions`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from minerva_desktop.chat.tools import ANY_OBJECT, ChatOptions, Tool, ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.complaints import must_be, must_be_one_of
from minerva_desktop.server.parameters.parser import MAX_FIELD_NAME, NeutralValues, ParameterParser
from minerva_desktop.server.schemas.chat import (
    EFFORTS,
    ChatFields,
    ToolChoiceObject,
    ToolDefinition,
)

_NOTHING: NeutralValues = MappingProxyType({})


def chat_options(parser: ParameterParser, request: ChatFields) -> ChatOptions:
    """What ``request`` asks of the template and of the answer's shape."""
    tools = tuple(
        _tool(parser, definition, f"tools[{index}]")
        for index, definition in enumerate(request.tools or ())
    )
    mode, only, tools = _choice(parser, request.tool_choice, tools)
    return with_tools(
        tools,
        mode,
        only,
        parallel=request.parallel_tool_calls is not False,
        variables=template_variables(request.reasoning_effort, request.chat_template_kwargs),
    )


def with_tools(
    tools: Sequence[Tool],
    mode: ToolMode,
    only: str | None,
    *,
    parallel: bool,
    variables: str | None,
) -> ChatOptions:
    """Checked options. Raises `InvalidRequest` where the choice and the tools don't go together."""
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"tools names {twice!r} more than once", param="tools")
    if mode is ToolMode.REQUIRED and not tools:
        raise InvalidRequest("tool_choice needs tools to choose from", param="tool_choice")
    if only is not None and only not in names:
        raise InvalidRequest(
            f"tool_choice names {only[:MAX_FIELD_NAME]!r}, which is not among the tools",
            param="tool_choice",
        )
    return ChatOptions(
        tools=tuple(tools), mode=mode, only_tool=only, parallel=parallel, variables=variables
    )


def template_variables(
    effort: str | None, given: dict[str, Any] | None, where: str = "reasoning_effort"
) -> str | None:
    """The variables of the chat template, as JSON text. An effort of ``none`` also turns off the
    thinking of templates that have a switch for it. ``where`` the effort stands is for errors."""
    variables: dict[str, Any] = {}
    if effort is not None:
        if effort not in EFFORTS:
            raise must_be_one_of(where, EFFORTS, effort)
        variables = {"reasoning_effort": effort, "enable_thinking": effort != "none"}
    variables |= given or {}
    return json.dumps(variables, ensure_ascii=False) if variables else None


def function_tool(
    parser: ParameterParser,
    name: str,
    description: str | None,
    schema: tuple[dict[str, Any] | None, str],
    strict: bool | None,
) -> Tool:
    """A function as a tool. ``schema``: that of its parameters, and where it stands."""
    parameters, where = schema
    if not strict and parameters is not None:
        parser.leave_out(parameters, where)
    text = ANY_OBJECT if parameters is None else json.dumps(parameters, ensure_ascii=False)
    return Tool(name, description or "", text, strict=bool(strict))


def _tool(parser: ParameterParser, definition: ToolDefinition, where: str) -> Tool:
    if definition.type != "function":
        raise UnsupportedParameter(
            f"{where}.type: only functions are supported, not {definition.type[:MAX_FIELD_NAME]!r}",
            param=f"{where}.type",
        )
    function = definition.function
    if function is None:
        raise InvalidRequest(f"{where}.function is required", param=f"{where}.function")
    parser.judge(definition, _NOTHING, f"{where}.")
    parser.judge(function, _NOTHING, f"{where}.function.")
    schema = (function.parameters, f"{where}.function.parameters")
    return function_tool(parser, function.name, function.description, schema, function.strict)


def _choice(
    parser: ParameterParser, given: str | ToolChoiceObject | None, tools: tuple[Tool, ...]
) -> tuple[ToolMode, str | None, tuple[Tool, ...]]:
    """Whether to call, whom, and of whom the model is told."""
    if given is None:
        return ToolMode.AUTO, None, tools
    if isinstance(given, ToolChoiceObject):
        return _chosen(parser, given, tools)
    try:
        return ToolMode(given), None, tools
    except ValueError:
        what = f"{', '.join(ToolMode)}, or an object that names a function"
        raise must_be("tool_choice", what, given) from None


def _chosen(
    parser: ParameterParser, choice: ToolChoiceObject, tools: tuple[Tool, ...]
) -> tuple[ToolMode, str | None, tuple[Tool, ...]]:
    parser.judge(choice, _NOTHING, "tool_choice.")
    # Each of the two has the field of its own name.
    if choice.type == "function" and choice.allowed_tools is not None:
        raise _wrong_field("tool_choice.allowed_tools", choice.type)
    if choice.type == "allowed_tools" and choice.function is not None:
        raise _wrong_field("tool_choice.function", choice.type)
    if getattr(choice, choice.type) is None:
        where = f"tool_choice.{choice.type}"
        raise InvalidRequest(f"{where} is required", param=where)
    if choice.function is not None:
        parser.judge(choice.function, _NOTHING, "tool_choice.function.")
        return ToolMode.REQUIRED, choice.function.name, tools
    assert choice.allowed_tools is not None
    allowed = choice.allowed_tools
    where = "tool_choice.allowed_tools"
    parser.judge(allowed, _NOTHING, f"{where}.")
    names = {tool.name for tool in tools}
    for index, each in enumerate(allowed.tools):
        at = f"{where}.tools[{index}]"
        parser.judge(each, _NOTHING, f"{at}.")
        parser.judge(each.function, _NOTHING, f"{at}.function.")
        if each.function.name not in names:
            raise InvalidRequest(
                f"{at}.function.name must be that of one of the tools", param=f"{at}.function.name"
            )
    chosen = {each.function.name for each in allowed.tools}
    # The model is told of no others, so it calls no others.
    return ToolMode(allowed.mode), None, tuple(tool for tool in tools if tool.name in chosen)


def _wrong_field(where: str, kind: str) -> InvalidRequest:
    return InvalidRequest(f"{where} does not belong to the type {kind!r}", param=where)
