"""The bodies of ``POST /v1/messages`` and ``/v1/messages/count_tokens``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import MAX_STOP_STRINGS, SamplingParameters
from minerva_desktop.chat.tools import ChatOptions, Tool, ToolMode
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import ThreadUnsupported, UnsupportedParameter
from minerva_desktop.server.parameters.anthropic_turns import CACHE_CONTROL, prompt_turns
from minerva_desktop.server.parameters.complaints import must_be_one_of, shown
from minerva_desktop.server.parameters.files import RequestFiles
from minerva_desktop.server.parameters.parser import MAX_FIELD_NAME, NeutralValues, ParameterParser
from minerva_desktop.server.parameters.sampling import (
    SAMPLING_NEUTRAL,
    WITHOUT_EFFECT,
    RunParameters,
    refuse_given,
    run_parameters,
    sampling_parameters,
    schema_text,
    token_limit,
    tools_field,
)
from minerva_desktop.server.parameters.tools import function_tool, template_variables, with_tools
from minerva_desktop.server.schemas.anthropic import (
    EFFORTS,
    MessagesRequest,
    MessageTool,
    OutputFormat,
    PromptFields,
    ThinkingConfig,
    ToolChoice,
)

BETA_HEADER = "anthropic-beta"
CUSTOM = "custom"
OMITTED = "omitted"
THREAD = "thread"

_PROMPT_NEUTRAL: NeutralValues = MappingProxyType(
    {
        "container": (),
        "inference_geo": (),
        "mcp_servers": ([],),
        "speed": ("standard",),
        "user_profile_id": (),
    }
)
_NEUTRAL: NeutralValues = MappingProxyType(
    {
        **SAMPLING_NEUTRAL,
        **_PROMPT_NEUTRAL,
        "diagnostics": ({}, {"previous_message_id": None}),
        "functions": ([],),
        "parallel_tool_calls": (True,),
        "service_tier": ("auto", "standard_only"),
    }
)
_TOOL_NEUTRAL: NeutralValues = MappingProxyType(
    {
        "allowed_callers": (["direct"],),
        "defer_loading": (False,),
        "eager_input_streaming": (True,),  # it always is
    }
)
_OTHER_DIALECTS = ("n", "stop", "timings_per_token", "return_progress")
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "max_completion_tokens": "max_tokens",
        "max_output_tokens": "max_tokens",
        "n_predict": "max_tokens",
        "reasoning_effort": "output_config.effort",
        "response_format": "output_config.format",
    }
)
_NOTHING: NeutralValues = MappingProxyType({})
_MODES = MappingProxyType(
    {
        "auto": ToolMode.AUTO,
        "any": ToolMode.REQUIRED,
        "tool": ToolMode.REQUIRED,
        "none": ToolMode.NONE,
    }
)
# What the switch of a template is set to. How much to think a model decides itself, either way.
_THINKS = MappingProxyType({"enabled": True, "adaptive": True, "disabled": False})


class PromptParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt whose tokens are to be counted. ``headers`` tell what was ignored."""

    model: str | None
    turns: tuple[ChatTurn, ...]
    chat: ChatOptions
    headers: dict[str, str]


class MessagesParameters(PromptParameters, frozen=True, kw_only=True):
    """A request for a message. ``shows_thinking`` False tells that there was a train of thought,
    and not what it was."""

    sampling: SamplingParameters
    run: RunParameters
    stream: bool
    shows_thinking: bool


def messages_parameters(
    body: Mapping[str, Any],
    request_timeout_s: float | None,
    files: RequestFiles | None = None,
    *,
    has_betas: bool,
) -> MessagesParameters:
    """``request_timeout_s`` is the endpoint's own limit, in seconds; ``has_betas``: the request's
    headers name some."""
    _refuse_thread(body)
    parser = _parser(body, files, has_betas)
    request = parser.validated(MessagesRequest)
    parser.refuse_other_names(request, _NAMES)
    parser.judge(request, _NEUTRAL, without_effect=WITHOUT_EFFECT | CACHE_CONTROL)
    refuse_given(request, _OTHER_DIALECTS)
    schema, field = _answer_schema(parser, request)
    if schema is not None and (request.json_schema is not None or request.grammar):
        raise InvalidRequest(
            "output_config.format excludes json_schema and grammar", param="output_config.format"
        )
    thinking = request.thinking
    wheres = (f"tools[{index}]" for index in range(len(request.tools or ())))
    return MessagesParameters(
        model=request.model,
        turns=prompt_turns(parser, request),
        chat=_chat_options(parser, request),
        sampling=sampling_parameters(
            request,
            # 0 has the prompt read, so that the cache has it for the next request.
            token_limit(least=0, max_tokens=request.max_tokens),
            json_schema=schema,
            stop=_stop(request),
        ),
        run=run_parameters(
            request,
            None,
            request_timeout_s,
            field,
            {
                **tools_field("input_schema", wheres),
                "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
            },
        ),
        stream=bool(request.stream),
        shows_thinking=thinking is None or thinking.display != OMITTED,
        headers=parser.headers(),
    )


def count_parameters(
    body: Mapping[str, Any], files: RequestFiles | None = None, *, has_betas: bool
) -> PromptParameters:
    """Of a request that only counts."""
    parser = _parser(body, files, has_betas)
    request = parser.validated(PromptFields)
    parser.judge(request, _PROMPT_NEUTRAL, without_effect=CACHE_CONTROL)
    _answer_schema(parser, request)
    return PromptParameters(
        model=request.model,
        turns=prompt_turns(parser, request),
        chat=_chat_options(parser, request),
        headers=parser.headers(),
    )


def _refuse_thread(body: Mapping[str, Any]) -> None:
    """Before all else: what goes on with a thread has only its newest messages, and no tools."""
    if body.get(THREAD) is not None:
        raise ThreadUnsupported(
            "thread is not supported: no conversation is kept here; send all of its messages, "
            "without thread",
            param=THREAD,
        )


def _parser(
    body: Mapping[str, Any], files: RequestFiles | None, has_betas: bool
) -> ParameterParser:
    parser = ParameterParser(body, files)
    if has_betas:
        parser.ignore(BETA_HEADER)
    return parser


def _stop(request: MessagesRequest) -> tuple[str, ...] | None:
    stops = request.stop_sequences
    if stops is None:
        return None
    # The engine's own check calls the field as OpenAI does.
    if len(stops) > MAX_STOP_STRINGS or not all(stops):
        raise InvalidRequest(
            f"stop_sequences takes at most {MAX_STOP_STRINGS} strings, none of them empty",
            param="stop_sequences",
        )
    return tuple(stops)


def _answer_schema(parser: ParameterParser, request: PromptFields) -> tuple[str | None, str | None]:
    """The schema and where it stands. ``output_format`` is what the API called it while it was
    new."""
    found: OutputFormat | None = None
    if request.output_config is not None:
        parser.judge(request.output_config, _NOTHING, "output_config.")
        found = request.output_config.format
    where = "output_config.format"
    if request.output_format is not None:
        if found is not None:
            raise InvalidRequest(
                "output_format and output_config.format exclude each other", param="output_format"
            )
        found, where = request.output_format, "output_format"
    if found is None:
        return None, None
    parser.judge(found, _NOTHING, f"{where}.")
    return schema_text(found.schema_), f"{where}.schema"


def _chat_options(parser: ParameterParser, request: PromptFields) -> ChatOptions:
    tools = [
        _tool(parser, tool, f"tools[{index}]") for index, tool in enumerate(request.tools or ())
    ]
    choice = request.tool_choice
    if choice is not None:
        parser.judge(choice, _NOTHING, "tool_choice.")
    return with_tools(
        tools,
        ToolMode.AUTO if choice is None else _MODES[choice.type],
        None if choice is None else _only_tool(choice),
        parallel=choice is None or not choice.disable_parallel_tool_use,
        variables=template_variables(None, _variables(parser, request)),
    )


def _tool(parser: ParameterParser, tool: MessageTool, where: str) -> Tool:
    if tool.type not in (None, CUSTOM):
        raise UnsupportedParameter(
            f"{where}.type: only tools that the client defines are supported, not "
            f"{tool.type[:MAX_FIELD_NAME]!r}",
            param=f"{where}.type",
        )
    for name, value in (("name", tool.name), ("input_schema", tool.input_schema)):
        if value is None:
            raise InvalidRequest(f"{where}.{name} is required", param=f"{where}.{name}")
    parser.judge(tool, _TOOL_NEUTRAL, f"{where}.", CACHE_CONTROL)
    schema = (tool.input_schema, f"{where}.input_schema")
    return function_tool(parser, tool.name or "", tool.description, schema, tool.strict)


def _only_tool(choice: ToolChoice) -> str | None:
    if (choice.type == "tool") != (choice.name is not None):
        raise InvalidRequest(
            "tool_choice.name belongs to the type 'tool', which requires it",
            param="tool_choice.name",
        )
    return choice.name


def _variables(parser: ParameterParser, request: PromptFields) -> dict[str, Any]:
    """What the template is told."""
    variables: dict[str, Any] = {}
    effort = None if request.output_config is None else request.output_config.effort
    if effort is not None:
        if effort not in EFFORTS:
            raise must_be_one_of("output_config.effort", EFFORTS, effort)
        variables["reasoning_effort"] = effort
    if request.thinking is not None:
        variables["enable_thinking"] = _thinks(parser, request.thinking)
    return variables | (request.chat_template_kwargs or {})


def _thinks(parser: ParameterParser, thinking: ThinkingConfig) -> bool:
    """A budget only counts among what is ignored: no model here can be held to one, and clients
    cannot ask for thoughts without giving one."""
    parser.judge(thinking, _NOTHING, "thinking.")
    if thinking.budget_tokens is not None:
        parser.ignore("thinking.budget_tokens")
    if thinking.type not in _THINKS:
        raise UnsupportedParameter(
            f"thinking.type must be one of {', '.join(_THINKS)}, not {shown(thinking.type)}",
            param="thinking.type",
        )
    return _THINKS[thinking.type]
