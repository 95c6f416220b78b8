"""How the next token is chosen: the parameters a person or an HTTP client can set."""

from __future__ import annotations

import msgspec

from minerva_desktop.errors import InvalidRequest

MAX_SEED = 0xFFFF_FFFE  # LLAMA_DEFAULT_SEED (0xFFFFFFFF) means "random" to llama.cpp
MAX_STOP_STRINGS = 16


class SamplingParameters(msgspec.Struct, frozen=True, kw_only=True):
    """One request's sampling. Defaults are llama.cpp's own (`common/common.h`, 0.3.36).

    ``temperature`` 0 is greedy. ``max_tokens`` None means: until the model ends or the context is
    full. ``seed`` None draws one, which the completion then reports.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, when a value is outside its range."""
        _within("temperature", self.temperature, 0.0, 5.0)
        _within("top_k", self.top_k, 0, 1_000_000)
        _within("top_p", self.top_p, 0.0, 1.0)
        _within("min_p", self.min_p, 0.0, 1.0)
        _within("repeat_penalty", self.repeat_penalty, 0.1, 10.0)
        _within("repeat_last_n", self.repeat_last_n, 0, 1_000_000)
        if self.seed is not None:
            _within("seed", self.seed, 0, MAX_SEED)
        if self.max_tokens is not None:
            _within("max_tokens", self.max_tokens, 1, 10_000_000)
        if len(self.stop) > MAX_STOP_STRINGS or not all(self.stop):
            raise InvalidRequest(
                f"stop takes at most {MAX_STOP_STRINGS} strings, none of them empty", param="stop"
            )


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is in no range
        raise InvalidRequest(f"{name} must be between {low} and {high}, not {value}", param=name)
