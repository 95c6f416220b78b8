"""Tools, the choice among them, and what the chat template is told, as `ChatOptions`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from minerva_desktop.chat.tools import ANY_OBJECT, ChatOptions, Tool, ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.parser import MAX_FIELD_NAME, NeutralValues, ParameterParser
from minerva_desktop.server.schemas.chat import (
    ChatFields,
    FunctionDefinition,
    NamedTool,
    ToolDefinition,
)

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NOTHING: NeutralValues = MappingProxyType({})


def chat_options(parser: ParameterParser, request: ChatFields) -> ChatOptions:
    """What ``request`` asks of the template and of the answer's shape."""
    tools = tuple(
        _tool(parser, definition, f"tools[{index}]")
        for index, definition in enumerate(request.tools or ())
    )
    mode, only = _choice(request.tool_choice)
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
            raise InvalidRequest(f"{where} must be one of {', '.join(EFFORTS)}", param=where)
        variables = {"reasoning_effort": effort, "enable_thinking": effort != "none"}
    variables |= given or {}
    return json.dumps(variables, ensure_ascii=False) if variables else None


def function_tool(name: str, description: str | None, parameters: dict[str, Any] | None) -> Tool:
    """A function as a tool."""
    schema = ANY_OBJECT if parameters is None else json.dumps(parameters, ensure_ascii=False)
    return Tool(name, description or "", schema)


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
    return _function(function)


def _function(function: FunctionDefinition) -> Tool:
    return function_tool(function.name, function.description, function.parameters)


def _choice(given: str | NamedTool | None) -> tuple[ToolMode, str | None]:
    if given is None:
        return ToolMode.AUTO, None
    if isinstance(given, NamedTool):
        return ToolMode.REQUIRED, given.function.name
    try:
        return ToolMode(given), None
    except ValueError:
        raise InvalidRequest(
            f"tool_choice must be one of {', '.join(ToolMode)}, or name a function",
            param="tool_choice",
        ) from None
