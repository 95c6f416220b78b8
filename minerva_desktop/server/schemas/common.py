"""What several groups of endpoints share: field types, samplers, usage, timings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from minerva_desktop.chat.completion import Completion, Timings
from minerva_desktop.chat.limits import Overflow
from minerva_desktop.chat.sampling import (
    MAX_BREAKERS,
    MAX_STOP_STRINGS,
    MAX_TOP_LOGPROBS,
    RANGES,
    SAMPLERS,
    SamplingParameters,
)
from minerva_desktop.engine.engine import MAX_CHOICES

MAX_MODEL_NAME = 512
MAX_NAME = 64
UNLIMITED = -1  # for max_tokens, as LM Studio and llama-server take it
WHOLE_CONTEXT = -1  # for the penalties' windows, as llama-server takes it
ALL_TOKENS = -1  # for top_k, as vLLM and llama-server take it
BIAS_LIMIT = 100.0  # OpenAI's bound; it stands for "never" and "only"
# Union branches as they appear in pydantic's error locations; no field has such a name.
STRING_BRANCH = "<string>"
LIST_BRANCH = "<list>"
OBJECT_BRANCH = "<object>"
OTHER_BRANCH = "<other>"
# The type of pydantic's errors about values of no branch; their message is what the field takes.
WRONG_JSON_TYPE = "wrong_json_type"

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
OptionalModel = Annotated[
    Annotated[str, Field(max_length=MAX_MODEL_NAME)] | None,
    AfterValidator(lambda name: name or None),  # forms send an empty text for what is not named
    Field(
        description="Absent or empty: the first model that the endpoint was started with, else"
        " the only one that is loaded, else the only one that there is; where that leaves several,"
        " 400 with their names. Embeddings are asked of models for embeddings, all else of the"
        " others; of either where only tokens are."
    ),
]
JsonObject = dict[str, Any]


def word_of(words: Iterable[str]) -> Any:
    """For a text of which the description shows the ``words``. The parameters refuse any other, by
    a sentence of theirs."""
    return Field(json_schema_extra={"enum": [*words]})


def number_from(low: float, high: float | None = None, *, default: float | None = None) -> Any:
    """For a number of which the description shows the range and what is taken where it is absent.
    The parameters refuse any other, by a sentence of theirs."""

    def describe(schema: dict[str, Any]) -> None:
        for branch in schema.get("anyOf", [schema]):
            if branch.get("type") in {"integer", "number"}:
                branch["minimum"] = low
                if high is not None:
                    branch.pop("exclusiveMaximum", None)  # the type's own
                    branch["maximum"] = high
        if default is not None:
            schema["default"] = default

    return Field(json_schema_extra=describe)


def sampling_number(name: str, *, least: float | None = None) -> Any:
    """`number_from` for a field of `SamplingParameters`; ``least``: where requests take less, for
    what other servers call by that number."""
    low, high = RANGES[name]
    default = getattr(SamplingParameters(), name)
    return number_from(low if least is None else least, high, default=default)


def at_most_items(count: int) -> Any:
    """For a list of which the description shows how long it may be; refused as above."""
    return Field(json_schema_extra={"maxItems": count})


TokenLimit = Annotated[
    int | None,  # of any size: clients mean "no limit" by the largest number that they know
    Field(description="In tokens; -1 or null: until the model ends or the context is full."),
]
PositiveTokenLimit = Annotated[
    TokenLimit, Field(description="In tokens, at least 1; -1 or null: no limit but the context.")
]
TopLogprobs = Annotated[Int64 | None, number_from(0, MAX_TOP_LOGPROBS)]
Store = Annotated[
    bool | None,
    Field(description="Nothing is kept: true changes nothing, and counts as an ignored field."),
]
# OpenAI's bounds.
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


def is_branch(step: str) -> bool:
    """Whether a step of an error's location names a branch of a union."""
    return step.startswith("<") and step.endswith(">")


def branch_of(value: object) -> str | None:
    """The branch of a union that ``value`` belongs to."""
    if isinstance(value, str):
        return STRING_BRANCH
    if isinstance(value, list):
        return LIST_BRANCH
    return OBJECT_BRANCH if isinstance(value, dict | BaseModel) else None


def one_of(expected: str) -> Discriminator:
    """Tells the branches of a union by their JSON type; ``expected`` is what it takes, in words."""
    return Discriminator(
        branch_of,
        custom_error_type=WRONG_JSON_TYPE,
        custom_error_message=expected,
    )


def one_of_types(types: Collection[str], default: str | None = None) -> Discriminator:
    """Tells the branches of a union of objects by their ``type``: ``<type>`` for each of ``types``,
    `OTHER_BRANCH` for all others; ``default`` is the type of an object that has none."""

    def branch(value: object) -> str | None:
        if isinstance(value, BaseModel):
            return f"<{getattr(value, 'type', default)}>"
        if not isinstance(value, dict):
            return None
        kind = value.get("type", default)
        return f"<{kind}>" if isinstance(kind, str) and kind in types else OTHER_BRANCH

    return Discriminator(
        branch,
        custom_error_type=WRONG_JSON_TYPE,
        custom_error_message="an object",
    )


Text = Annotated[str, Tag(STRING_BRANCH)]
Texts = Annotated[list[str], Tag(LIST_BRANCH), Field(fail_fast=True)]
StopTexts = Annotated[Texts, at_most_items(MAX_STOP_STRINGS)]
Stop = Annotated[Text | StopTexts, one_of("a string or a list of strings")]
TextOrObject = Annotated[
    Text | Annotated[JsonObject, Tag(OBJECT_BRANCH)], one_of("a JSON text or an object")
]
Biases = Annotated[
    Annotated[JsonObject, Tag(OBJECT_BRANCH)] | Annotated[list[Any], Tag(LIST_BRANCH)],
    one_of("an object of biases by token, or a list of [token, bias]"),
]


class RequestModel(BaseModel):
    """Base of the request bodies."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)


class StreamOptions(RequestModel):
    """How to stream."""

    include_usage: bool | None = None


class LoraScale(RequestModel):
    """The scale of one adapter that the model was loaded with, by its place."""

    id: Annotated[int, Field(ge=0, lt=1024)]
    scale: float


class SamplingFields(RequestModel):
    """How tokens are chosen: the OpenAI API's fields, and llama.cpp's samplers in the names that
    llama-server gives them."""

    temperature: Annotated[float | None, sampling_number("temperature")] = None
    top_p: Annotated[float | None, sampling_number("top_p")] = None
    frequency_penalty: Annotated[float | None, sampling_number("frequency_penalty")] = None
    presence_penalty: Annotated[float | None, sampling_number("presence_penalty")] = None
    logit_bias: Annotated[
        Biases | None,
        Field(
            description=f"From {-BIAS_LIMIT:.0f} to {BIAS_LIMIT:.0f} for each token; "
            f"{-BIAS_LIMIT:.0f} and false ban it."
        ),
    ] = None
    seed: Annotated[
        Int64 | None,
        Field(
            description="The same gives the same answer, on a CPU whatever runs beside it (what is "
            "reused of a prompt may round otherwise: `cache_prompt` false computes it anew). "
            "Greedy answers without a seed may differ a little beside others. -1 or null: another "
            "each time."
        ),
    ] = None
    stop: Stop | None = None
    n: Annotated[Int64 | None, number_from(1, MAX_CHOICES, default=1)] = None
    dynatemp_range: Annotated[float | None, sampling_number("dynatemp_range")] = None
    dynatemp_exponent: Annotated[float | None, sampling_number("dynatemp_exponent")] = None
    top_k: Annotated[
        Int64 | None,
        sampling_number("top_k", least=ALL_TOKENS),
        Field(description="0 and -1: all tokens."),
    ] = None
    min_p: Annotated[float | None, sampling_number("min_p")] = None
    typical_p: Annotated[float | None, sampling_number("typical_p")] = None
    top_n_sigma: Annotated[float | None, sampling_number("top_n_sigma")] = None
    xtc_probability: Annotated[float | None, sampling_number("xtc_probability")] = None
    xtc_threshold: Annotated[float | None, sampling_number("xtc_threshold")] = None
    repeat_penalty: Annotated[float | None, sampling_number("repeat_penalty")] = None
    repetition_penalty: Annotated[
        float | None,
        sampling_number("repeat_penalty"),
        Field(description="Another name of `repeat_penalty`."),
    ] = None
    repeat_last_n: Annotated[
        Int64 | None,
        sampling_number("repeat_last_n", least=WHOLE_CONTEXT),
        Field(description="In tokens; -1: all of the context."),
    ] = None
    dry_multiplier: Annotated[float | None, sampling_number("dry_multiplier")] = None
    dry_base: Annotated[float | None, sampling_number("dry_base")] = None
    dry_allowed_length: Annotated[Int64 | None, sampling_number("dry_allowed_length")] = None
    dry_penalty_last_n: Annotated[
        Int64 | None,
        sampling_number("dry_penalty_last_n", least=WHOLE_CONTEXT),
        Field(description="In tokens; -1: all of the context."),
    ] = None
    dry_sequence_breakers: (
        Annotated[list[str], Field(fail_fast=True), at_most_items(MAX_BREAKERS)] | None
    ) = None
    samplers: Annotated[
        Annotated[list[str], Field(fail_fast=True), at_most_items(len(SAMPLERS))] | None,
        Field(
            description="Those that are applied, in that order; of the others, no parameter has an"
            f" effect. Absent: {', '.join(SAMPLERS)}."
        ),
    ] = None
    mirostat: Annotated[Int64 | None, sampling_number("mirostat")] = None
    mirostat_tau: Annotated[float | None, sampling_number("mirostat_tau")] = None
    mirostat_eta: Annotated[float | None, sampling_number("mirostat_eta")] = None
    ignore_eos: bool | None = None
    min_tokens: Annotated[Int64 | None, sampling_number("min_tokens")] = None
    grammar: str | None = None
    json_schema: JsonObject | None = None


class RunFields(RequestModel):
    """How a request is run, in llama-server's names, and ``overflow``, which is Minerva's own."""

    cache_prompt: Annotated[
        bool | None,
        Field(
            description="False: the prompt is computed anew, whatever the cache holds of it, and"
            " nothing of it or its answer is kept for later requests; the `n` answers share it."
            " Absent, null or true: what is kept is used, and what was computed is kept."
        ),
    ] = None
    lora: Annotated[list[LoraScale], Field(max_length=1024, fail_fast=True)] | None = None
    timings_per_token: bool | None = None
    return_progress: bool | None = None
    overflow: Annotated[str, word_of(Overflow)] | None = None


# -- answers -----------------------------------------------------------------------------------


class PromptTokensDetails(msgspec.Struct, frozen=True):
    """Prompt tokens that were taken from the KV cache."""

    cached_tokens: int


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    """Tokens of the train of thought, which count among the completion's."""

    reasoning_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer. ``prompt_tokens`` includes the cached ones."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails

    @classmethod
    def of(
        cls,
        completions: tuple[Completion, ...],
        n_reasoning: int = 0,
        per_prompt: int | None = None,
    ) -> Usage:
        """The usage of the choices of one request, which share their prompt; ``per_prompt`` of
        them do where there are several prompts."""
        firsts = [each.timings for each in completions[:: per_prompt or len(completions)]]
        n_prompt = sum(timings.prompt_tokens for timings in firsts)
        n_completion = sum(each.timings.completion_tokens for each in completions)
        return cls(
            n_prompt,
            n_completion,
            n_prompt + n_completion,
            PromptTokensDetails(sum(timings.cached_tokens for timings in firsts)),
            CompletionTokensDetails(n_reasoning),
        )


class AnswerTimings(msgspec.Struct, frozen=True, kw_only=True):
    """Speeds of one answer, in llama-server's names, and the waits before its first token.

    ``draft_n`` tokens were guessed ahead, ``draft_n_accepted`` of them rightly.
    """

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float
    queue_ms: float
    first_token_ms: float
    draft_n: int | UnsetType = UNSET
    draft_n_accepted: int | UnsetType = UNSET

    @classmethod
    def of(cls, timings: Timings, n_drafted: int = 0, n_accepted: int = 0) -> AnswerTimings:
        """From the engine's numbers."""
        prompt_n = timings.prompt_tokens - timings.cached_tokens
        per_second = timings.tokens_per_second
        return cls(
            cache_n=timings.cached_tokens,
            prompt_n=prompt_n,
            prompt_ms=timings.prefill_ms,
            prompt_per_token_ms=_ratio(timings.prefill_ms, prompt_n),
            prompt_per_second=_ratio(1000.0 * prompt_n, timings.prefill_ms),
            predicted_n=timings.completion_tokens,
            predicted_ms=timings.decode_ms,
            predicted_per_token_ms=_ratio(1000.0, per_second),
            predicted_per_second=per_second,
            queue_ms=timings.queue_ms,
            first_token_ms=timings.first_token_ms,
            draft_n=n_drafted or UNSET,
            draft_n_accepted=n_accepted if n_drafted else UNSET,
        )

    @classmethod
    def of_completion(cls, completion: Completion) -> AnswerTimings:
        """Those of an answer that is whole."""
        return cls.of(completion.timings, completion.drafted_tokens, completion.accepted_tokens)

    @classmethod
    def of_all(cls, completions: Sequence[Completion]) -> AnswerTimings | UnsetType:
        """Those of the only answer. Several are computed side by side: no speed of one is that of
        all, and times that overlap have no sum."""
        return cls.of_completion(completions[0]) if len(completions) == 1 else UNSET


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else 0.0
