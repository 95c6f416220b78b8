"""`ParameterParser`: a request's JSON to values that the engine takes. Called by the routes.

A field is obeyed, or refused with its name, or, if nobody here knows it, named in the answer's
``X-Minerva-Ignored-Fields`` header; none is dropped in silence. A field that clients know but that
this version cannot honour passes only with a value that asks for nothing: many clients send all
their fields, always. When a field becomes supported, it moves from the tables here to `schemas`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from pydantic import ValidationError

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.schemas import (
    LIST_BRANCH,
    STRING_BRANCH,
    ChatCompletionRequest,
    ChatMessage,
    ContentPart,
    RequestModel,
)

IGNORED_FIELDS_HEADER = "X-Minerva-Ignored-Fields"
MAX_IGNORED_FIELDS = 32
MAX_FIELD_NAME = 64
MAX_TOKENS = 10_000_000  # as in `SamplingParameters.check`
UNLIMITED = -1  # for max_tokens, as LM Studio and llama-server take it
RANDOM_SEED = -1  # as llama-server takes it

NeutralValues = Mapping[str, tuple[Any, ...]]

_ROLES = MappingProxyType(
    {
        "system": Role.SYSTEM,
        "developer": Role.SYSTEM,
        "user": Role.USER,
        "assistant": Role.ASSISTANT,
    }
)
_UNSUPPORTED_ROLES = frozenset({"tool", "function"})

# Change no answer in the OpenAI API either, or only tune a sampler that is refused when on.
_WITHOUT_EFFECT = frozenset(
    {
        "dry_allowed_length",
        "dry_base",
        "dry_penalty_last_n",
        "dry_sequence_breakers",
        "dynatemp_exponent",
        "metadata",
        "mirostat_eta",
        "mirostat_tau",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "user",
        "xtc_threshold",
    }
)

# Fields that cannot be honoured yet, with the values (besides null) that ask for nothing.
_CHAT_FIELDS: NeutralValues = MappingProxyType(
    {
        # OpenAI
        "audio": (),
        "frequency_penalty": (0,),
        "function_call": ("none", "auto"),
        "functions": ([],),
        "logit_bias": ({}, []),
        "logprobs": (False,),
        "modalities": (["text"],),
        "moderation": (),
        "n": (1,),
        "parallel_tool_calls": (True,),
        "prediction": (),
        "presence_penalty": (0,),
        "reasoning_effort": (),
        "response_format": ({"type": "text"},),
        "service_tier": ("auto", "default"),
        "store": (False,),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
        "top_logprobs": (0,),
        "verbosity": ("medium",),
        "web_search_options": (),
        # llama-server
        "add_generation_prompt": (True,),
        "cache_prompt": (True,),
        "chat_template_kwargs": ({},),
        "continue_final_message": (False,),
        "dry_multiplier": (0,),
        "dynatemp_range": (0,),
        "grammar": ("",),
        "id_slot": (-1,),
        "ignore_eos": (False,),
        "json_schema": ({},),
        "lora": ([],),
        "min_keep": (0,),
        "mirostat": (0,),
        "n_cache_reuse": (0,),
        "n_cmpl": (1,),
        "n_indent": (0,),
        "n_keep": (0,),
        "n_predict": (UNLIMITED,),
        "n_probs": (0,),
        "post_sampling_probs": (False,),
        "reasoning_format": ("none",),
        "response_fields": ([],),
        "return_progress": (False,),
        "return_tokens": (False,),
        "samplers": (),
        "t_max_predict_ms": (0, -1),
        "timings_per_token": (False,),
        "top_n_sigma": (-1,),
        "typical_p": (1,),
        "xtc_probability": (0,),
        # LM Studio, Ollama
        "draft_model": ("",),
        "keep_alive": (),
        "num_ctx": (),
        "ttl": (),
    }
)
_MESSAGE_FIELDS: NeutralValues = MappingProxyType(
    {
        "annotations": ([],),
        "audio": (),
        "function_call": (),
        "name": (),
        "reasoning": ("",),
        "reasoning_content": ("",),
        "refusal": ("",),
        "tool_call_id": (),
        "tool_calls": ([],),
    }
)
_STREAM_FIELDS: NeutralValues = MappingProxyType({"include_obfuscation": (False,)})
_PART_FIELDS: NeutralValues = MappingProxyType({})

RequestT = TypeVar("RequestT", bound=RequestModel)


class ChatParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request, validated. ``ignored_fields`` are the names of fields that nobody knows."""

    model: str
    turns: tuple[ChatTurn, ...]
    sampling: SamplingParameters
    stream: bool
    include_usage: bool
    ignored_fields: tuple[str, ...]

    def headers(self) -> dict[str, str]:
        """Response headers that tell what was ignored."""
        if not self.ignored_fields:
            return {}
        # Names come from outside: percent-encoding keeps line breaks out of the header.
        shown = [
            quote(name[:MAX_FIELD_NAME], safe="[]", errors="replace")
            for name in self.ignored_fields[:MAX_IGNORED_FIELDS]
        ]
        more = len(self.ignored_fields) - len(shown)
        return {IGNORED_FIELDS_HEADER: ", ".join([*shown, f"and {more} more"] if more else shown)}


class ParameterParser:
    """Parses one request's ``body``. Every method raises `InvalidRequest` that names the field."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._ignored: list[str] = []

    def chat(self) -> ChatParameters:
        """The body of a chat completion."""
        request = _validated(ChatCompletionRequest, self._body)
        self._judge_extras(request, _CHAT_FIELDS, "", without_effect=_WITHOUT_EFFECT)
        turns = tuple(
            self._turn(message, f"messages[{index}]")
            for index, message in enumerate(request.messages)
        )
        return ChatParameters(
            model=request.model,
            turns=turns,
            sampling=_sampling(request),
            stream=bool(request.stream),
            include_usage=self._include_usage(request),
            ignored_fields=tuple(self._ignored),
        )

    def _turn(self, message: ChatMessage, where: str) -> ChatTurn:
        self._judge_extras(message, _MESSAGE_FIELDS, f"{where}.")
        param = f"{where}.role"
        if message.role in _UNSUPPORTED_ROLES:
            raise UnsupportedParameter(
                f"{param}: {message.role!r} is not supported yet", param=param
            )
        if message.role not in _ROLES:
            raise InvalidRequest(f"{param} must be one of {', '.join(_ROLES)}", param=param)
        return ChatTurn(_ROLES[message.role], self._text(message, f"{where}.content"))

    def _text(self, message: ChatMessage, where: str) -> str:
        match message.content:
            case None:
                raise InvalidRequest(f"{where} is required", param=where)
            case str(text):
                return text
            case parts:
                # Joined as llama-server joins them for templates that take one text.
                return "\n".join(
                    self._part(part, f"{where}[{index}]") for index, part in enumerate(parts)
                )

    def _part(self, part: ContentPart, where: str) -> str:
        if part.type != "text":
            raise UnsupportedParameter(
                f"{where}: only text parts are supported, not {part.type[:MAX_FIELD_NAME]!r}",
                param=where,
            )
        if part.text is None:
            raise InvalidRequest(f"{where}.text is required", param=f"{where}.text")
        self._judge_extras(part, _PART_FIELDS, f"{where}.")
        return part.text

    def _include_usage(self, request: ChatCompletionRequest) -> bool:
        options = request.stream_options
        if options is None:
            return False
        if not request.stream:
            raise InvalidRequest("stream_options needs stream: true", param="stream_options")
        self._judge_extras(options, _STREAM_FIELDS, "stream_options.")
        return bool(options.include_usage)

    def _judge_extras(
        self,
        value: RequestModel,
        known: NeutralValues,
        prefix: str,
        without_effect: frozenset[str] = frozenset(),
    ) -> None:
        for name, given in (value.model_extra or {}).items():
            if name in known:
                if given is not None and given not in known[name]:
                    raise _unsupported(f"{prefix}{name}", known[name])
            elif name not in without_effect:
                self._ignored.append(f"{prefix}{name}")


def _unsupported(param: str, neutral: tuple[Any, ...]) -> UnsupportedParameter:
    message = f"{param} is not supported yet"
    if neutral:
        message += f", except as {' or '.join(json.dumps(value) for value in neutral)}"
    return UnsupportedParameter(message, param=param)


def _sampling(request: ChatCompletionRequest) -> SamplingParameters:
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    given = {
        "temperature": request.temperature,
        "top_k": request.top_k,
        "top_p": request.top_p,
        "min_p": request.min_p,
        "repeat_penalty": request.repeat_penalty,
        "repeat_last_n": request.repeat_last_n,
        "seed": None if request.seed == RANDOM_SEED else request.seed,
        "max_tokens": _token_limit(request),
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    sampling = SamplingParameters(stop=stop, **changes)
    sampling.check()
    return sampling


def _token_limit(request: ChatCompletionRequest) -> int | None:
    limit: int | None = None
    for name in ("max_completion_tokens", "max_tokens"):
        value: int | None = getattr(request, name)
        if value is None:
            continue
        if value != UNLIMITED and not 1 <= value <= MAX_TOKENS:
            raise InvalidRequest(
                f"{name} must be between 1 and {MAX_TOKENS}, not {value}", param=name
            )
        if limit not in (None, value):
            raise InvalidRequest("max_tokens and max_completion_tokens differ", param=name)
        limit = value
    return None if limit == UNLIMITED else limit


def _validated(schema: type[RequestT], body: Mapping[str, Any]) -> RequestT:
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        param = _path(first["loc"])
        match first["type"]:
            case "missing":
                message = f"{param} is required"
            case "model_type":
                message = f"{param} must be an object"
            case _:
                message = f"{param}: {first['msg']}"
        raise InvalidRequest(message, param=param) from None


def _path(location: tuple[int | str, ...]) -> str:
    """``messages[0].content`` for pydantic's ("messages", 0, "content", "<string>")."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in (STRING_BRANCH, LIST_BRANCH):
            path += f".{step}" if path else step
    return path
