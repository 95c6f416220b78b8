"""How a request's tokens are chosen and how it is run: what all generating endpoints share."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.sampling import (
    MAX_SEED,
    MAX_TOKENS,
    RANGES,
    SAMPLERS,
    SamplingParameters,
)
from minerva_desktop.chat.tools import schema_field
from minerva_desktop.engine.engine import MAX_CHOICES
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.complaints import must_be, must_be_one_of, shown
from minerva_desktop.server.parameters.parser import NeutralValues
from minerva_desktop.server.schemas.common import (
    ALL_TOKENS,
    BIAS_LIMIT,
    UNLIMITED,
    WHOLE_CONTEXT,
    LoraScale,
    RequestModel,
    RunFields,
    SamplingFields,
)

RANDOM_SEED = -1  # as llama-server takes it
_LARGEST_WINDOW = 1_000_000  # as in `SamplingParameters.check`

# In no API do they change an answer.
WITHOUT_EFFECT = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user"}
)
# Fields of llama-server, LM Studio, Ollama and vLLM for what a request cannot have here.
SAMPLING_NEUTRAL: NeutralValues = MappingProxyType(
    {
        "adaptive_decay": (),
        "adaptive_target": (-1,),
        "allowed_token_ids": (),
        "backend_sampling": (False,),
        "bad_words": ([],),
        "best_of": (1,),
        "draft_model": ("",),
        "ebnf": (),
        "grammar_lazy": (False,),
        "grammar_triggers": ([],),
        "guided_choice": (),
        "guided_grammar": (),
        "guided_json": (),
        "guided_regex": (),
        "id_slot": (-1,),
        "keep_alive": (),
        "min_keep": (0,),
        "n_cache_reuse": (0,),
        "n_cmpl": (1,),
        "n_discard": (0,),
        "n_indent": (0,),
        "n_keep": (0,),
        "n_probs": (0,),
        "num_ctx": (),
        "post_sampling_probs": (False,),
        "preserved_tokens": ([],),
        "reasoning_budget_tokens": (-1,),
        "regex": (),
        "response_fields": ([],),
        "return_tokens": (False,),
        "service_tier": ("auto", "default"),
        "stop_token_ids": ([],),
        "structured_outputs": (),
        "t_max_predict_ms": (0, -1),
        "t_max_prompt_ms": (0, -1),
        "thinking_budget_tokens": (-1,),
        "truncate_prompt_tokens": (),
        "ttl": (),
        "use_beam_search": (False,),
    }
)

# llama-server's other names of samplers, without their dashes.
_SAMPLER_ALIASES = MappingProxyType(
    {
        **{name.replace("_", ""): name for name in SAMPLERS},
        "nucleus": "top_p",
        "temp": "temperature",
        "typ": "typ_p",
        "typicalp": "typ_p",
    }
)
SCHEMA = "response_format"  # the engine's name for the schema of an answer
_OWN_NAMES: Mapping[str, str] = MappingProxyType({SCHEMA: "json_schema"})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_AS_THEY_ARE = (
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "dynatemp_range",
    "dynatemp_exponent", "top_k", "min_p", "typical_p", "top_n_sigma", "xtc_probability",
    "xtc_threshold", "dry_multiplier", "dry_base", "dry_allowed_length", "mirostat",
    "mirostat_tau", "mirostat_eta", "ignore_eos", "min_tokens",
)  # fmt: skip


class RunParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How a request is run: its limits, and what llama-server's fields ask for.

    ``n`` answers; ``lora``: the scale of each loaded adapter, None: as they were loaded.
    ``own_names``: what the engine calls fields by, with what they are called in this request.
    """

    n: int = 1
    limits: RequestLimits = RequestLimits()
    cache_prompt: bool = True
    lora: tuple[float, ...] | None = None
    timings_per_token: bool = False
    return_progress: bool = False
    own_names: dict[str, str] = msgspec.field(default_factory=lambda: dict(_OWN_NAMES))


def sampling_parameters(
    fields: SamplingFields, max_tokens: int | None, **more: Any
) -> SamplingParameters:
    """The sampler's values; ``more`` are those that a dialect has fields of its own for.

    A field that is not there leaves the default.
    """
    given = {name: getattr(fields, name) for name in _AS_THEY_ARE}
    given |= {
        "top_k": 0 if fields.top_k == ALL_TOKENS else fields.top_k,
        "repeat_penalty": _repeat_penalty(fields),
        "repeat_last_n": _window(fields.repeat_last_n),
        "dry_penalty_last_n": _window(fields.dry_penalty_last_n),
        "seed": _seed(fields.seed),
        "max_tokens": max_tokens,
        "stop": (fields.stop,) if isinstance(fields.stop, str) else tuple(fields.stop or ()),
        "logit_bias": None if fields.logit_bias is None else _biases(fields.logit_bias),
        "grammar": fields.grammar or None,
        "json_schema": schema_text(fields.json_schema) if fields.json_schema is not None else None,
    }
    given |= {name: value for name, value in more.items() if value is not None}
    if fields.dry_sequence_breakers is not None:
        given["dry_sequence_breakers"] = tuple(fields.dry_sequence_breakers)
    if fields.samplers is not None:
        given["samplers"] = tuple(map(_sampler_name, fields.samplers))
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    sampling = SamplingParameters(**changes)
    sampling.check()
    return sampling


def run_parameters(
    fields: RunFields,
    n: int | None,
    request_timeout_s: float | None,
    answer_schema: str | None = None,
    own_names: Mapping[str, str] = _NO_NAMES,
) -> RunParameters:
    """``request_timeout_s`` is the endpoint's own limit, in seconds. ``answer_schema``: where the
    schema of the answer stands, unless that is ``json_schema``."""
    if n is not None and not 1 <= n <= MAX_CHOICES:
        raise InvalidRequest(f"n must be between 1 and {MAX_CHOICES}, not {n}", param="n")
    names = {**_OWN_NAMES, **own_names}
    limits = RequestLimits(overflow=_overflow(fields), total_seconds=request_timeout_s)
    return RunParameters(
        n=n or 1,
        limits=limits,
        cache_prompt=fields.cache_prompt is not False,
        lora=None if fields.lora is None else _lora_scales(fields.lora),
        timings_per_token=bool(fields.timings_per_token),
        return_progress=bool(fields.return_progress),
        own_names=names if answer_schema is None else names | {SCHEMA: answer_schema},
    )


def tools_field(name: str, wheres: Iterable[str]) -> dict[str, str]:
    """The engine's names for the schemas of tools, with what a dialect calls them that stand at
    ``wheres``."""
    return {schema_field(index): f"{where}.{name}" for index, where in enumerate(wheres)}


def token_limit(*, least: int = 1, **limits: int | None) -> int | None:
    """The number of tokens that an answer may have, ``least`` or more, from fields that all mean
    it. What no message to an engine could carry is as good as the most that one can: the context
    ends the answer long before."""
    limit: int | None = None
    for name, value in limits.items():
        if value is None:
            continue
        if value != UNLIMITED and value < least:
            raise must_be(name, f"at least {least}, or {UNLIMITED} for no limit", value)
        if limit not in (None, value):
            raise InvalidRequest(f"{name} and another limit of tokens differ", param=name)
        limit = value
    return None if limit is None or limit == UNLIMITED else min(limit, MAX_TOKENS)


def refuse_given(fields: RequestModel, names: Sequence[str]) -> None:
    """Refuse those of the shared fields that one dialect has no place for; raises
    `UnsupportedParameter`. ``n`` may ask for one answer."""
    for name in names:
        given = getattr(fields, name)
        if given is not None and given is not False and not (name == "n" and given == 1):
            raise UnsupportedParameter(f"{name} is not supported here", param=name)


def schema_text(schema: Any) -> str:
    """A JSON schema as the engine takes it."""
    return json.dumps(schema, ensure_ascii=False)


def _repeat_penalty(fields: SamplingFields) -> float | None:
    if fields.repetition_penalty is None:  # vLLM's name for it
        return fields.repeat_penalty
    if fields.repeat_penalty not in (None, fields.repetition_penalty):
        raise InvalidRequest(
            "repetition_penalty and repeat_penalty differ", param="repetition_penalty"
        )
    low, high = RANGES["repeat_penalty"]
    if not low <= fields.repetition_penalty <= high:
        what = f"between {low} and {high}"
        raise must_be("repetition_penalty", what, fields.repetition_penalty)
    return fields.repetition_penalty


def _seed(value: int | None) -> int | None:
    """OpenAI's seeds have 64 bits, llama.cpp's 32. The same one gives the same answer again, which
    is all that a seed is for."""
    return None if value is None or value == RANDOM_SEED else value % (MAX_SEED + 1)


def _window(value: int | None) -> int | None:
    return _LARGEST_WINDOW if value == WHOLE_CONTEXT else value


def _sampler_name(given: str) -> str:
    return _SAMPLER_ALIASES.get(given.lower().replace("-", "").replace("_", ""), given)


def _biases(given: dict[str, Any] | list[Any]) -> dict[int, float]:
    """OpenAI's object, or llama-server's list of pairs, in which false bans a token."""
    pairs = list(given.items()) if isinstance(given, dict) else given
    biases: dict[int, float] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise _bad_bias("an object, or pairs of [token, bias]", pair)
        token, bias = pair
        if isinstance(token, str) and token.isascii() and token.isdigit() and len(token) < 10:
            token = int(token)
        if not isinstance(token, int) or isinstance(token, bool):
            raise _bad_bias("token ids, as /tokenize gives them", token)
        biases[token] = _bias(bias)
    return biases


def _bias(value: Any) -> float:
    if value is False:
        return -math.inf
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -BIAS_LIMIT <= value <= BIAS_LIMIT:
        raise _bad_bias(f"numbers from {-BIAS_LIMIT:.0f} to {BIAS_LIMIT:.0f}", value)
    return -math.inf if value == -BIAS_LIMIT else float(value)


def _bad_bias(what: str, value: object) -> InvalidRequest:
    return InvalidRequest(f"logit_bias takes {what}, not {shown(value)}", param="logit_bias")


def _overflow(fields: RunFields) -> Overflow:
    if fields.overflow is None:
        return Overflow.STOP
    try:
        return Overflow(fields.overflow)
    except ValueError:
        raise must_be_one_of("overflow", Overflow, fields.overflow) from None


def _lora_scales(given: list[LoraScale]) -> tuple[float, ...]:
    """llama-server's list: adapters that it does not name are off."""
    scales = [0.0] * (max((lora.id for lora in given), default=-1) + 1)
    for lora in given:
        scales[lora.id] = lora.scale
    return tuple(scales)
