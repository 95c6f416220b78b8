"""The body of a chat completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import MAX_TOP_LOGPROBS, SamplingParameters
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.complaints import must_be_one_of
from minerva_desktop.server.parameters.files import RequestFiles
from minerva_desktop.server.parameters.messages import chat_turns
from minerva_desktop.server.parameters.parser import NeutralValues, ParameterParser
from minerva_desktop.server.parameters.sampling import (
    SAMPLING_NEUTRAL,
    WITHOUT_EFFECT,
    RunParameters,
    run_parameters,
    sampling_parameters,
    schema_text,
    token_limit,
)
from minerva_desktop.server.parameters.tools import chat_options
from minerva_desktop.server.schemas.chat import (
    FORMATS,
    REASONING_FORMATS,
    ChatCompletionRequest,
    ResponseFormat,
    SchemaFormat,
)
from minerva_desktop.server.schemas.common import StreamOptions

JSON_OBJECT = '{"type":"object"}'

_CHAT_NEUTRAL: NeutralValues = MappingProxyType(
    {
        **SAMPLING_NEUTRAL,
        "audio": (),
        "function_call": ("none", "auto"),
        "functions": ([],),
        "modalities": (["text"],),
        "moderation": (),
        "parse_tool_calls": (True,),
        "prediction": (),
        "prompt_cache_options": ({}, {"mode": "implicit"}),
        "verbosity": ("medium",),
        "web_search_options": (),
    }
)
_STREAM_NEUTRAL: NeutralValues = MappingProxyType({"include_obfuscation": (False,)})
_NOTHING: NeutralValues = MappingProxyType({})


class ChatParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request, validated. ``separates_reasoning`` False leaves a train of thought in the
    content; ``headers`` are those of the response that tell what was ignored."""

    model: str | None
    turns: tuple[ChatTurn, ...]
    sampling: SamplingParameters
    run: RunParameters
    chat: ChatOptions
    separates_reasoning: bool = True
    stream: bool
    include_usage: bool
    headers: dict[str, str]


def chat_parameters(
    body: Mapping[str, Any], request_timeout_s: float | None, files: RequestFiles | None = None
) -> ChatParameters:
    """``request_timeout_s`` is the endpoint's own limit, in seconds."""
    parser = ParameterParser(body, files)
    request = parser.validated(ChatCompletionRequest)
    parser.judge(request, _CHAT_NEUTRAL, without_effect=WITHOUT_EFFECT)
    if request.store:
        parser.ignore("store")  # the answer is the same
    turns = chat_turns(parser, request.messages)
    _check_continuation(request, turns)
    return ChatParameters(
        model=request.model,
        turns=turns,
        sampling=_sampling(parser, request),
        run=run_parameters(
            request, request.n, request_timeout_s, _schema_field(request.response_format)
        ),
        chat=chat_options(parser, request),
        separates_reasoning=_separates_reasoning(request.reasoning_format),
        stream=bool(request.stream),
        include_usage=include_usage(parser, request.stream, request.stream_options),
        headers=parser.headers(),
    )


def include_usage(
    parser: ParameterParser, stream: bool | None, options: StreamOptions | None
) -> bool:
    """Whether a stream ends with a chunk of its usage."""
    if options is None:
        return False
    if not stream:
        raise InvalidRequest("stream_options needs stream: true", param="stream_options")
    parser.judge(options, _STREAM_NEUTRAL, "stream_options.")
    return bool(options.include_usage)


def _sampling(parser: ParameterParser, request: ChatCompletionRequest) -> SamplingParameters:
    limit = token_limit(
        max_tokens=request.max_tokens,
        max_completion_tokens=request.max_completion_tokens,
        n_predict=request.n_predict,
    )
    schema = _answer_schema(parser, request.response_format)
    if schema is not None and (request.json_schema is not None or request.grammar):
        raise InvalidRequest(
            "response_format excludes json_schema and grammar", param="response_format"
        )
    return sampling_parameters(
        request,
        limit,
        json_schema=schema,
        strict_schema=None if schema is None else _is_strict(request.response_format),
        top_logprobs=_top_logprobs(request),
    )


def _top_logprobs(request: ChatCompletionRequest) -> int | None:
    if not request.logprobs:
        if request.top_logprobs:
            raise InvalidRequest("top_logprobs needs logprobs: true", param="top_logprobs")
        return None
    n_top = request.top_logprobs or 0
    if not 0 <= n_top <= MAX_TOP_LOGPROBS:
        raise InvalidRequest(
            f"top_logprobs must be between 0 and {MAX_TOP_LOGPROBS}, not {n_top}",
            param="top_logprobs",
        )
    return n_top


def _answer_schema(parser: ParameterParser, given: ResponseFormat | None) -> str | None:
    if given is None:
        return None
    parser.judge(given, _NOTHING, "response_format.")
    _check_format_fields(given)
    schema = given.schema_ if given.value is None else given.value
    if schema is not None:
        parser.leave_out(schema, _schema_field(given) or "")
    match given.type:
        case "text":
            return None
        case "json_object":
            return JSON_OBJECT if schema is None else schema_text(schema)
        case "json_schema" if schema is not None:
            return schema_text(schema)
        case "json_schema":
            return _named_schema(parser, given.json_schema)
    raise must_be_one_of("response_format.type", FORMATS, given.type)


def _check_format_fields(given: ResponseFormat) -> None:
    """A schema that nobody looks at would be swallowed."""
    for name, value, kinds in (
        ("json_schema", given.json_schema, ("json_schema",)),
        ("schema", given.schema_, ("json_schema", "json_object")),
        ("value", given.value, ("json_schema", "json_object")),
    ):
        if value is not None and given.type in FORMATS and given.type not in kinds:
            where = f"response_format.{name}"
            raise InvalidRequest(
                f"{where} goes with the type {' or '.join(kinds)}, not with {given.type}",
                param=where,
            )
    plain = "schema" if given.schema_ is not None else "value"
    if sum(each is not None for each in (given.json_schema, given.schema_, given.value)) > 1:
        raise InvalidRequest(
            "response_format has two schemas: give one of json_schema, schema and value",
            param=f"response_format.{plain}",
        )


def _is_strict(given: ResponseFormat | None) -> bool:
    """Only the form with a name has a word for it."""
    return given is not None and given.json_schema is not None and bool(given.json_schema.strict)


def _schema_field(given: ResponseFormat | None) -> str | None:
    """Where the schema of the answer stands."""
    if given is None or given.type == "text":
        return None
    inside = "schema" if given.value is None else "value"
    inside = inside if given.json_schema is None else "json_schema.schema"
    return f"response_format.{inside}"


def _named_schema(parser: ParameterParser, given: SchemaFormat | None) -> str:
    where = "response_format.json_schema"
    if given is None:
        raise InvalidRequest(
            f"{where} is required for the type json_schema, with the schema in {where}.schema",
            param=where,
        )
    parser.judge(given, _NOTHING, f"{where}.")
    if given.schema_ is None:
        raise InvalidRequest(f"{where}.schema is required", param=f"{where}.schema")
    if not given.strict:
        parser.leave_out(given.schema_, f"{where}.schema")
    return schema_text(given.schema_)


def _separates_reasoning(reasoning_format: str | None) -> bool:
    match reasoning_format:
        case None | "auto" | "deepseek":
            return True
        case "none":
            return False
    raise must_be_one_of("reasoning_format", REASONING_FORMATS, reasoning_format)


def _check_continuation(request: ChatCompletionRequest, turns: Sequence[ChatTurn]) -> None:
    """A last message of the assistant is continued. That may be said, not denied."""
    last = turns[-1]
    continues = last.role is Role.ASSISTANT and not last.tool_calls
    if request.continue_final_message not in (None, continues):
        raise InvalidRequest(
            "continue_final_message must be true when the last message is the assistant's, and "
            "false when it is not",
            param="continue_final_message",
        )
    if request.add_generation_prompt not in (None, not continues):
        raise InvalidRequest(
            "add_generation_prompt must be false when the last message is the assistant's, which "
            "is continued, and true when it is not",
            param="add_generation_prompt",
        )
