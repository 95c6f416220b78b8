"""The tools of ``POST /v1/responses``, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from minerva_desktop.chat.tools import ChatOptions, Tool, ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.complaints import must_be
from minerva_desktop.server.parameters.parser import MAX_FIELD_NAME, NeutralValues, ParameterParser
from minerva_desktop.server.parameters.response_functions import (
    GivenFunction,
    check_function,
    chosen_name,
    function_tools,
    given_functions,
)
from minerva_desktop.server.parameters.tools import template_variables, with_tools
from minerva_desktop.server.schemas.responses import (
    ResponsesRequest,
    ResponseToolChoiceObject,
)

ALLOWED_TOOLS = "allowed_tools"
_NOTHING: NeutralValues = MappingProxyType({})


def response_chat_options(parser: ParameterParser, request: ResponsesRequest) -> ChatOptions:
    """What ``request`` asks of the template and of the answer's shape."""
    effort = None if request.reasoning is None else request.reasoning.effort
    tools = function_tools(parser, request.tools)
    mode, only, tools = _choice(parser, request, tools)
    return with_tools(
        tools,
        mode,
        only,
        parallel=request.parallel_tool_calls is not False,
        variables=template_variables(effort, request.chat_template_kwargs, "reasoning.effort"),
    )


def _choice(
    parser: ParameterParser, request: ResponsesRequest, tools: tuple[Tool, ...]
) -> tuple[ToolMode, str | None, tuple[Tool, ...]]:
    """Whether to call, whom, and of whom the model is told."""
    choice = request.tool_choice
    if choice is None:
        return ToolMode.AUTO, None, tools
    if isinstance(choice, ResponseToolChoiceObject):
        return _chosen(parser, choice, tools, given_functions(request.tools))
    try:
        return ToolMode(choice), None, tools
    except ValueError:
        raise must_be("tool_choice", f"{', '.join(ToolMode)}, or an object", choice) from None


def _chosen(
    parser: ParameterParser,
    choice: ResponseToolChoiceObject,
    tools: tuple[Tool, ...],
    functions: Sequence[GivenFunction],
) -> tuple[ToolMode, str | None, tuple[Tool, ...]]:
    parser.judge(choice, _NOTHING, "tool_choice.")
    if choice.type == ALLOWED_TOOLS:
        allowed = _allowed(parser, choice, tools, functions)
        return ToolMode(choice.mode or ToolMode.AUTO), None, allowed
    check_function(choice.type, "tool_choice")
    if choice.name is None:
        raise InvalidRequest("tool_choice.name is required", param="tool_choice.name")
    name = chosen_name(functions, choice.namespace, choice.name, "tool_choice")
    if name is None:
        raise InvalidRequest(
            f"tool_choice names {choice.name[:MAX_FIELD_NAME]!r}, which is not among the tools",
            param="tool_choice",
        )
    return ToolMode.REQUIRED, name, tools


def _allowed(
    parser: ParameterParser,
    choice: ResponseToolChoiceObject,
    tools: tuple[Tool, ...],
    functions: Sequence[GivenFunction],
) -> tuple[Tool, ...]:
    """The allowed ones. The model is told of no others, so it calls no others."""
    if choice.tools is None:
        raise InvalidRequest("tool_choice.tools is required", param="tool_choice.tools")
    allowed = set()
    for index, tool in enumerate(choice.tools):
        where = f"tool_choice.tools[{index}]"
        check_function(tool.type, where)
        parser.judge(tool, _NOTHING, f"{where}.")
        name = chosen_name(functions, tool.namespace, tool.name, where)
        if name is None:
            raise InvalidRequest(
                f"{where}.name must be that of one of the tools", param=f"{where}.name"
            )
        allowed.add(name)
    return tuple(tool for tool in tools if tool.name in allowed)
