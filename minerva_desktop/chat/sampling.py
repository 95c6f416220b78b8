"""How the next token is chosen: the parameters a person or an HTTP client can set."""

from __future__ import annotations

import math

import msgspec

from minerva_desktop.errors import InvalidRequest

MAX_TOKENS = 2**63 - 1  # of an answer; no message between processes carries more
MAX_MIN_TOKENS = 10_000_000
MAX_SEED = 0xFFFF_FFFE  # LLAMA_DEFAULT_SEED (0xFFFFFFFF) means "random" to llama.cpp
MAX_STOP_STRINGS = 16
MAX_BIASES = 4096
MAX_BIAS = 1e6  # more decides no more, and the sum of two could leave a 32-bit float
MAX_BREAKERS = 16
MAX_BREAKER_BYTES = 40  # llama.cpp cuts off what is longer
MAX_TOP_LOGPROBS = 20  # OpenAI's bound

# llama.cpp's names, in its order; what any of them does is said by the parameters of its own.
SAMPLERS = (
    "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature",
)  # fmt: skip
TEMPERATURE = "temperature"
# Less is greedy: hardly two logits are so close. Divided by much less they leave what llama.cpp's
# sort and its 32-bit floats can hold, and it chooses noise.
COLDEST = 1e-5

_WHOLE_CONTEXT = 1_000_000
# Of each number, its least and its largest value.
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 5.0),
    "dynatemp_range": (0.0, 5.0),
    "dynatemp_exponent": (0.01, 10.0),
    "top_k": (0, 1_000_000),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "top_n_sigma": (-1.0, 100.0),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "repeat_penalty": (0.1, 10.0),
    "repeat_last_n": (0, _WHOLE_CONTEXT),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
    "dry_multiplier": (0.0, 100.0),
    "dry_base": (1.0, 100.0),
    "dry_allowed_length": (0, 10_000),
    "dry_penalty_last_n": (0, _WHOLE_CONTEXT),
    "mirostat": (0, 2),
    "mirostat_tau": (0.0, 100.0),
    "mirostat_eta": (0.0, 1.0),
    "min_tokens": (0, MAX_MIN_TOKENS),
}


class SamplingParameters(msgspec.Struct, frozen=True, kw_only=True):
    """One request's sampling. Defaults are llama.cpp's own (`common/common.h`, 0.3.36).

    ``temperature`` below `COLDEST` is greedy. ``max_tokens`` None means: until the model ends or
    the context is full; 0 computes the prompt alone. Before ``min_tokens`` the model cannot end,
    with ``ignore_eos`` it never can; but where a grammar lets nothing follow, the answer ends.
    ``seed`` None draws one, which the completion then reports. ``mirostat`` 1 or 2 takes the place
    of top_k, top_p, min_p, typical_p, top_n_sigma, XTC and dynamic temperature, which then must be
    left alone. ``samplers`` are those that are applied, in that order; what the parameters of
    others say has no effect. ``logit_bias`` adds to a token's logit; ``-inf`` bans it. ``grammar``
    is GBNF, which the answer follows; instead, ``json_schema`` is a JSON schema as JSON text, of
    which everything is honoured or refused; without ``strict_schema``, what no grammar can express
    is left out. ``top_logprobs`` None asks for no log-probabilities, 0 for those of the chosen
    tokens only.
    """

    temperature: float = 0.8
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    samplers: tuple[str, ...] = SAMPLERS
    logit_bias: dict[int, float] = {}
    ignore_eos: bool = False
    seed: int | None = None
    max_tokens: int | None = None
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    json_schema: str | None = None
    strict_schema: bool = True
    top_logprobs: int | None = None

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken of those that the others leave."""
        is_cold = self.temperature < COLDEST and not self.dynatemp_range
        return is_cold and TEMPERATURE in self.samplers

    @property
    def temperatures(self) -> tuple[float, float]:
        """The coldest and the hottest of a dynamic temperature. It never comes closer to 0 than
        `COLDEST`, as it would where the model is nearly sure."""
        low = self.temperature - self.dynatemp_range
        high = self.temperature + self.dynatemp_range
        return max(low, COLDEST), max(high, COLDEST)

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, when a value is outside its range."""
        for name, (low, high) in RANGES.items():
            _within(name, getattr(self, name), low, high)
        for name, limit in (("seed", MAX_SEED), ("max_tokens", MAX_TOKENS)):
            value = getattr(self, name)
            if value is not None:
                _within(name, value, 0, limit)
        if self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise InvalidRequest(
                f"min_tokens ({self.min_tokens:,}) is over max_tokens ({self.max_tokens:,})",
                param="min_tokens",
            )
        if self.top_logprobs is not None:
            _within("top_logprobs", self.top_logprobs, 0, MAX_TOP_LOGPROBS)
        _check_texts("stop", self.stop, MAX_STOP_STRINGS)
        self._check_breakers()
        self._check_biases()
        self._check_samplers()
        self._check_mirostat()
        if self.grammar is not None and self.json_schema is not None:
            raise InvalidRequest("grammar and json_schema exclude each other", param="grammar")

    def _check_breakers(self) -> None:
        """Each costs a search through the whole vocabulary."""
        _check_texts("dry_sequence_breakers", self.dry_sequence_breakers, MAX_BREAKERS)
        for text in self.dry_sequence_breakers:
            n_bytes = len(text.encode("utf-8", "replace"))
            if n_bytes > MAX_BREAKER_BYTES:
                raise InvalidRequest(
                    f"One of dry_sequence_breakers has {n_bytes} bytes; "
                    f"at most {MAX_BREAKER_BYTES} are taken",
                    param="dry_sequence_breakers",
                )

    def _check_biases(self) -> None:
        if len(self.logit_bias) > MAX_BIASES:
            raise InvalidRequest(
                f"logit_bias takes at most {MAX_BIASES:,} tokens, not {len(self.logit_bias):,}",
                param="logit_bias",
            )
        for token, bias in self.logit_bias.items():
            if bias != -math.inf and not -MAX_BIAS <= bias <= MAX_BIAS:  # NaN is in no range
                raise InvalidRequest(
                    f"logit_bias of token {token} must be between {-MAX_BIAS:,.0f} and "
                    f"{MAX_BIAS:,.0f}, or -inf, not {bias}",
                    param="logit_bias",
                )

    def _check_samplers(self) -> None:
        for index, name in enumerate(self.samplers):
            if name not in SAMPLERS:
                raise InvalidRequest(
                    f"samplers takes {', '.join(SAMPLERS)}, not {name[:40]!r}", param="samplers"
                )
            if name in self.samplers[:index]:
                raise InvalidRequest(f"samplers names {name} twice", param="samplers")

    def _check_mirostat(self) -> None:
        """Mirostat truncates by itself: what it would have to ignore is refused."""
        if not self.mirostat:
            return
        for name in _REPLACED_BY_MIROSTAT:
            if getattr(self, name) != getattr(_DEFAULTS, name):
                raise InvalidRequest(f"{name} has no effect together with mirostat", param=name)


_DEFAULTS = SamplingParameters()
_REPLACED_BY_MIROSTAT = (
    "top_k", "top_p", "min_p", "typical_p", "top_n_sigma", "xtc_probability", "dynatemp_range",
    "samplers",
)  # fmt: skip


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is in no range
        message = f"{name} must be between {low:,} and {high:,}, not {value:,}"
        raise InvalidRequest(message, param=name)


def _check_texts(name: str, texts: tuple[str, ...], limit: int) -> None:
    if len(texts) > limit:
        raise InvalidRequest(
            f"{name} takes at most {limit:,} strings, not {len(texts):,}", param=name
        )
    if not all(texts):
        raise InvalidRequest(f"{name} takes no empty strings", param=name)
