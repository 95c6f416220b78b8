"""``POST /v1/completions``: its body and its answers, in the shape of the OpenAI API's older
endpoint. A streamed answer comes in the same shape as a whole one."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field

from minerva_desktop.server.schemas.chat import PromptProgress
from minerva_desktop.server.schemas.common import (
    AnswerTimings,
    Int64,
    Metadata,
    OptionalModel,
    RunFields,
    SamplingFields,
    StreamOptions,
    TokenLimit,
    Usage,
    number_from,
)
from minerva_desktop.server.schemas.inputs import Inputs

DEFAULT_MAX_TOKENS = 16  # OpenAI's, for this endpoint only
MAX_TOP_LOGPROBS = 5  # OpenAI's bound, for this endpoint only


class CompletionRequest(SamplingFields, RunFields):
    """Body of ``POST /v1/completions``: the fields that are obeyed."""

    model: OptionalModel = None
    prompt: Annotated[
        Inputs | None,
        Field(
            description="A text, a list of token ids, or a list of either, of which each is "
            "answered `n` times; choices are numbered prompt by prompt. An empty text or "
            "null: the beginning of a document, from models that have a token for that."
        ),
    ]
    suffix: Annotated[
        str | None,
        Field(
            description="The text behind the answer, for models that fill in the middle; others "
            "refuse it."
        ),
    ] = None
    max_tokens: Annotated[
        TokenLimit,
        Field(
            description=f"{DEFAULT_MAX_TOKENS} when absent, as in OpenAI's API; 0: no answer, for "
            "the log-probabilities of a prompt with `echo`; -1: no limit."
        ),
    ] = None
    max_completion_tokens: TokenLimit = None
    n_predict: TokenLimit = None
    best_of: Annotated[Int64 | None, Field(description="Only the value of `n`.")] = None
    echo: Annotated[
        bool | None,
        Field(
            description="Begin each answer with its prompt; with `logprobs`, those of the prompt's "
            "tokens too, for which all of it is computed, a few tokens in each step."
        ),
    ] = None
    logprobs: Annotated[
        Int64 | None,
        number_from(0, MAX_TOP_LOGPROBS),
        Field(
            description="0 for the log-probabilities of the chosen tokens, up to "
            f"{MAX_TOP_LOGPROBS} for so many of the likeliest ones too."
        ),
    ] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    metadata: Metadata | None = None


# -- answers -----------------------------------------------------------------------------------


class TextLogprobs(msgspec.Struct, frozen=True):
    """Of each token: its text, its natural log-probability, the likeliest tokens at its place
    (null where none were asked for), and where it begins in the choice's text, in characters.
    The first of a prompt has neither probability: nothing comes before it.

    A token that is no whole characters is spelled ``bytes:\\xe2\\x82``, as OpenAI's API does.
    """

    tokens: tuple[str, ...]
    token_logprobs: tuple[float | None, ...]
    top_logprobs: tuple[dict[str, float] | None, ...] | None
    text_offset: tuple[int, ...]


class TextChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers, or what an event adds to it."""

    text: str
    index: int
    logprobs: TextLogprobs | None = None
    finish_reason: str | None = None


class TextCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """The answers, or one event of them. ``timings`` are there where it is a single choice, in
    events with its end and with the usage. In events ``usage`` is null until the last, and absent
    unless it was asked for.

    ``shifted_tokens`` were forgotten on the way, where ``overflow`` allowed it.
    """

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: tuple[TextChoice, ...]
    usage: Usage | UnsetType | None = UNSET
    timings: AnswerTimings | UnsetType = UNSET
    prompt_progress: PromptProgress | UnsetType = UNSET
    shifted_tokens: int | UnsetType = UNSET
