"""The body of a plain completion."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import MAX_CHOICES
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.parameters.chat import include_usage
from minerva_desktop.server.parameters.inputs import Input, inputs
from minerva_desktop.server.parameters.parser import NeutralValues, ParameterParser
from minerva_desktop.server.parameters.sampling import (
    SAMPLING_NEUTRAL,
    WITHOUT_EFFECT,
    RunParameters,
    run_parameters,
    sampling_parameters,
    token_limit,
)
from minerva_desktop.server.schemas.completions import (
    DEFAULT_MAX_TOKENS,
    MAX_TOP_LOGPROBS,
    CompletionRequest,
)

_NEUTRAL: NeutralValues = MappingProxyType(
    {
        **SAMPLING_NEUTRAL,
        # Of chats, and of llama-server's /infill and multimodal prompts.
        "chat_template_kwargs": ({},),
        "images": ([],),
        "input_extra": ([],),
        "input_prefix": ("",),
        "input_suffix": ("",),
        "messages": (),
        "prompt_logprobs": (),
        "reasoning_effort": (),
        "response_format": ({"type": "text"},),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
    }
)


class CompletionParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A plain completion, validated. ``echo``: the answer begins with its prompt;
    ``score_prompt``: with the log-probabilities of its tokens. ``headers`` are those of the
    response that tell what was ignored."""

    model: str | None
    prompts: tuple[Input, ...]
    suffix: str | None
    echo: bool
    score_prompt: bool
    sampling: SamplingParameters
    run: RunParameters
    stream: bool
    include_usage: bool
    headers: dict[str, str]


def completion_parameters(
    body: Mapping[str, Any], request_timeout_s: float | None
) -> CompletionParameters:
    """``request_timeout_s`` is the endpoint's own limit, in seconds."""
    parser = ParameterParser(body)
    request = parser.validated(CompletionRequest)
    parser.judge(request, _NEUTRAL, without_effect=WITHOUT_EFFECT)
    prompts = inputs("" if request.prompt is None else request.prompt, "prompt")
    run = run_parameters(request, request.n, request_timeout_s)
    _check_choices(request, len(prompts), run.n)
    score_prompt = bool(request.echo) and request.logprobs is not None
    if score_prompt and request.suffix:
        raise InvalidRequest("suffix excludes echo with logprobs", param="suffix")
    return CompletionParameters(
        model=request.model,
        prompts=prompts,
        suffix=request.suffix or None,
        echo=bool(request.echo),
        score_prompt=score_prompt,
        sampling=_sampling(request),
        run=run,
        stream=bool(request.stream),
        include_usage=include_usage(parser, request.stream, request.stream_options),
        headers=parser.headers(),
    )


def _check_choices(request: CompletionRequest, n_prompts: int, n: int) -> None:
    if n_prompts * n > MAX_CHOICES:
        raise InvalidRequest(
            f"prompt: {n_prompts:,} prompts with n = {n} are {n_prompts * n:,} answers; one request"
            f" gets at most {MAX_CHOICES}",
            param="prompt",
        )
    if request.best_of not in (None, n):
        raise InvalidRequest(
            f"best_of must equal n ({n}), not be {request.best_of}: all answers are returned",
            param="best_of",
        )


def _sampling(request: CompletionRequest) -> SamplingParameters:
    limits = {
        "max_tokens": request.max_tokens,
        "max_completion_tokens": request.max_completion_tokens,
        "n_predict": request.n_predict,
    }
    if all(limit is None for limit in limits.values()):
        limits["max_tokens"] = DEFAULT_MAX_TOKENS
    limit = token_limit(least=0, **limits)
    return sampling_parameters(request, limit, top_logprobs=_top_logprobs(request))


def _top_logprobs(request: CompletionRequest) -> int | None:
    n_top = request.logprobs
    if n_top is not None and not 0 <= n_top <= MAX_TOP_LOGPROBS:
        raise InvalidRequest(
            f"logprobs must be between 0 and {MAX_TOP_LOGPROBS}, not {n_top}", param="logprobs"
        )
    return n_top
