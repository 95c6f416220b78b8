"""The body of ``POST /v1/responses``, which ``/v1/responses/input_tokens`` takes, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.sampling import MAX_TOP_LOGPROBS, SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.chat import JSON_OBJECT
from minerva_desktop.server.parameters.complaints import must_be_one_of
from minerva_desktop.server.parameters.files import RequestFiles
from minerva_desktop.server.parameters.parser import NeutralValues, ParameterParser
from minerva_desktop.server.parameters.response_functions import (
    FUNCTION,
    FullName,
    flat_names,
    given_functions,
)
from minerva_desktop.server.parameters.response_input import input_turns
from minerva_desktop.server.parameters.response_tools import response_chat_options
from minerva_desktop.server.parameters.sampling import (
    SAMPLING_NEUTRAL,
    RunParameters,
    refuse_given,
    run_parameters,
    sampling_parameters,
    schema_text,
    token_limit,
    tools_field,
)
from minerva_desktop.server.schemas.chat import FORMATS
from minerva_desktop.server.schemas.response_object import ResponseSettings
from minerva_desktop.server.schemas.responses import (
    ReasoningConfig,
    ResponsesRequest,
    ResponseStreamOptions,
    TextConfig,
    TextFormat,
)

MESSAGES = "messages"  # the engine's name for the input
LOGPROBS = "message.output_text.logprobs"
ENCRYPTED_REASONING = "reasoning.encrypted_content"
# Parts of items that no answer of ours has.
_NEVER_THERE = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
_NEUTRAL: NeutralValues = MappingProxyType(
    {
        **SAMPLING_NEUTRAL,
        "access_programs": (),
        "background_options": ({},),
        "context_management": ([],),
        "functions": ([],),
        "image": (),
        "moderation": (),
        "prompt": (),
        "prompt_cache_options": ({}, {"mode": "implicit"}),
    }
)
_WITHOUT_EFFECT = frozenset({"prompt_cache_retention"})
_NOTHING_IS_KEPT = MappingProxyType(
    {
        "background": "an answer is computed while its client waits for it",
        "conversation": "no conversation is kept here; send its items in input",
        "previous_response_id": "no response is kept here; send its items in input",
    }
)
_CHATS_OWN = ("n", "timings_per_token", "return_progress")
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "logprobs": f"include: [{LOGPROBS}]",
        "max_completion_tokens": "max_output_tokens",
        "max_tokens": "max_output_tokens",
        "messages": "input",
        "n_predict": "max_output_tokens",
        "reasoning_effort": "reasoning.effort",
        "response_format": "text.format",
    }
)
_TEXT_NEUTRAL: NeutralValues = MappingProxyType({"verbosity": ("medium",)})
_REASONING_NEUTRAL: NeutralValues = MappingProxyType({"context": ("auto",), "mode": ("standard",)})
_STREAM_NEUTRAL: NeutralValues = MappingProxyType({"include_obfuscation": (False,)})
_NOTHING: NeutralValues = MappingProxyType({})


class ResponsesParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a response, validated. ``settings`` are what the response says of it,
    ``full_names`` whose functions have a namespace, by what the model calls them; ``headers`` tell
    what was ignored."""

    model: str | None
    turns: tuple[ChatTurn, ...]
    sampling: SamplingParameters
    run: RunParameters
    chat: ChatOptions
    stream: bool
    settings: ResponseSettings
    full_names: dict[str, FullName]
    headers: dict[str, str]


def responses_parameters(
    body: Mapping[str, Any], request_timeout_s: float | None, files: RequestFiles | None = None
) -> ResponsesParameters:
    """``request_timeout_s`` is the endpoint's own limit, in seconds."""
    parser = ParameterParser(body, files)
    request = parser.validated(ResponsesRequest)
    parser.refuse_other_names(request, _NAMES)
    parser.judge(request, _NEUTRAL, without_effect=_WITHOUT_EFFECT)
    refuse_given(request, _CHATS_OWN)
    _refuse_keeping(request)
    if request.store:
        parser.ignore("store")
    _check_stream_options(parser, request.stream, request.stream_options)
    _check_reasoning(parser, request.reasoning)
    sampling = _sampling(parser, request)
    chat = response_chat_options(parser, request)
    names = flat_names(given_functions(request.tools))
    return ResponsesParameters(
        model=request.model,
        turns=input_turns(parser, request),
        sampling=sampling,
        run=_run(request, request_timeout_s),
        chat=chat,
        stream=bool(request.stream),
        settings=_settings(body, request, sampling),
        full_names={flat: full for full, flat in names.items()},
        headers=parser.headers(),
    )


def _refuse_keeping(request: ResponsesRequest) -> None:
    """Nothing is kept, so nothing can be gone on with. A ``store`` that is true is no reason to
    refuse an answer: by the API's default, so is one that is not there."""
    for name, reason in _NOTHING_IS_KEPT.items():
        if getattr(request, name) not in (None, False):
            raise UnsupportedParameter(f"{name} is not supported: {reason}", param=name)


def _check_stream_options(
    parser: ParameterParser, stream: bool | None, options: ResponseStreamOptions | None
) -> None:
    if options is not None:
        if not stream:
            raise InvalidRequest("stream_options needs stream: true", param="stream_options")
        parser.judge(options, _STREAM_NEUTRAL, "stream_options.")


def _check_reasoning(parser: ParameterParser, given: ReasoningConfig | None) -> None:
    """``auto`` asks for the summary that there is. The models here make none; their thoughts
    themselves are in the reasoning items."""
    if given is None:
        return
    parser.judge(given, _REASONING_NEUTRAL, "reasoning.")
    for name in ("summary", "generate_summary"):
        if getattr(given, name) not in (None, "none", "auto"):
            raise UnsupportedParameter(
                f"reasoning.{name} is not supported, except as auto: there is no summary, and "
                "reasoning comes whole",
                param=f"reasoning.{name}",
            )


def _run(request: ResponsesRequest, request_timeout_s: float | None) -> RunParameters:
    field = None if request.text is None or request.text.format is None else "text.format.schema"
    wheres = (function.where for function in given_functions(request.tools))
    names = {MESSAGES: "input", **tools_field("parameters", wheres)}
    run = run_parameters(request, None, request_timeout_s, field, names)
    if request.truncation != "auto":
        return run
    if request.overflow not in (None, Overflow.TRUNCATE_MIDDLE):
        raise InvalidRequest("truncation: auto and overflow differ", param="truncation")
    limits: RequestLimits = msgspec.structs.replace(run.limits, overflow=Overflow.TRUNCATE_MIDDLE)
    return msgspec.structs.replace(run, limits=limits)


def _sampling(parser: ParameterParser, request: ResponsesRequest) -> SamplingParameters:
    schema = None
    if request.text is not None:
        parser.judge(request.text, _TEXT_NEUTRAL, "text.")
        schema = _answer_schema(parser, request.text.format)
    if schema is not None and (request.json_schema is not None or request.grammar):
        raise InvalidRequest("text.format excludes json_schema and grammar", param="text.format")
    return sampling_parameters(
        request,
        token_limit(max_output_tokens=request.max_output_tokens),
        json_schema=schema,
        strict_schema=_is_strict(request.text),
        top_logprobs=_top_logprobs(parser, request.include or (), request.top_logprobs),
    )


def _answer_schema(parser: ParameterParser, given: TextFormat | None) -> str | None:
    if given is None:
        return None
    parser.judge(given, _NOTHING, "text.format.")
    match given.type:
        case "text":
            return None
        case "json_object":
            return JSON_OBJECT
        case "json_schema":
            # The response repeats the format, and its clients want the name there.
            for name, value in (("name", given.name), ("schema", given.schema_)):
                if value is None:
                    where = f"text.format.{name}"
                    raise InvalidRequest(f"{where} is required", param=where)
            if not given.strict:
                parser.leave_out(given.schema_, "text.format.schema")
            return schema_text(given.schema_)
    raise must_be_one_of("text.format.type", FORMATS, given.type)


def _is_strict(text: TextConfig | None) -> bool | None:
    """None where there is no schema in it."""
    given = None if text is None else text.format
    return None if given is None or given.type != "json_schema" else bool(given.strict)


def _top_logprobs(parser: ParameterParser, include: Sequence[str], n_top: int | None) -> int | None:
    for index, name in enumerate(include):
        if name == ENCRYPTED_REASONING:
            # Reasoning comes in clear words, which can be sent back just as well.
            parser.ignore(f"include[{index}]")
        elif name != LOGPROBS and name not in _NEVER_THERE:
            raise InvalidRequest(
                f"include[{index}] is nothing that can be included", param=f"include[{index}]"
            )
    if n_top is not None and not 0 <= n_top <= MAX_TOP_LOGPROBS:
        raise InvalidRequest(
            f"top_logprobs must be between 0 and {MAX_TOP_LOGPROBS}, not {n_top}",
            param="top_logprobs",
        )
    if LOGPROBS in include:
        return n_top or 0
    if n_top:
        raise InvalidRequest(f"top_logprobs needs include: [{LOGPROBS}]", param="top_logprobs")
    return None


def _settings(
    body: Mapping[str, Any], request: ResponsesRequest, sampling: SamplingParameters
) -> ResponseSettings:
    text, reasoning = request.text, request.reasoning
    form = {"type": "text"} if text is None or text.format is None else body["text"]["format"]
    return ResponseSettings(
        frequency_penalty=sampling.frequency_penalty,
        instructions=request.instructions,
        max_output_tokens=sampling.max_tokens,
        max_tool_calls=request.max_tool_calls,
        metadata=request.metadata or {},
        parallel_tool_calls=request.parallel_tool_calls is not False,
        presence_penalty=sampling.presence_penalty,
        prompt_cache_key=request.prompt_cache_key,
        reasoning={"effort": None if reasoning is None else reasoning.effort, "summary": None},
        safety_identifier=request.safety_identifier,
        temperature=sampling.temperature,
        text={
            "format": _whole(form, "description") if form["type"] == "json_schema" else form,
            "verbosity": "medium",
        },
        tool_choice=body.get("tool_choice") or "auto",
        tools=[
            _whole(tool, "description", "parameters") if tool["type"] == FUNCTION else tool
            for tool in body.get("tools") or ()
        ],
        top_logprobs=sampling.top_logprobs or 0,
        top_p=sampling.top_p,
        truncation=request.truncation or "disabled",
        user=request.user,
    )


def _whole(given: dict[str, Any], *optional: str) -> dict[str, Any]:
    """``given`` with null for what is not there, and whether it is strict: clients of the API take
    all of that for given."""
    return {**dict.fromkeys(optional), **given, "strict": bool(given.get("strict"))}
