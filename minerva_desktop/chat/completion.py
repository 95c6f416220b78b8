"""How an answer ended, and the numbers that come with it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class FinishReason(StrEnum):
    """Why a generation ended, in the OpenAI API's words plus ``cancelled``."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Measured by the engine child for one request. Times in milliseconds, counts in tokens."""

    queue_ms: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    prefill_ms: float = 0.0
    first_token_ms: float = 0.0
    completion_tokens: int = 0
    decode_ms: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Decode speed; 0.0 before the second token."""
        steps = self.completion_tokens - 1
        return steps * 1000.0 / self.decode_ms if steps > 0 and self.decode_ms > 0 else 0.0


class TokenLogprob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token's natural log-probability, as the model gave it before any sampler.

    ``piece``: its bytes, which need not be whole characters. ``top``: the likeliest tokens at this
    place, best first; each of them has none of its own.
    """

    token: int
    piece: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


class PromptToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token of a prompt, and its natural log-probability there; None where nothing comes before
    it.

    ``piece``: its bytes, those of control tokens written out. ``text``: what of them stands in the
    prompt's text; less where the tokeniser has added something. ``top``: as in `TokenLogprob`.
    """

    token: int
    piece: bytes
    text: bytes
    logprob: float | None = None
    top: tuple[TokenLogprob, ...] = ()


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one generation.

    ``model`` is the file's name, ``quantisation`` how its numbers are stored, such as ``Q4_K_M``;
    empty where that was not kept. ``seed`` None: another app answered, and did not keep it.
    ``placement`` says which devices computed it.
    ``dropped_turns``: oldest messages that were left out of the prompt because they did not fit;
    ``shifted_tokens``: how many the model forgot on the way; only where the request allowed it.
    ``drafted_tokens`` were guessed ahead, ``accepted_tokens`` of them rightly.
    ``restored_tokens`` of the cached ones came from a snapshot on disk. ``stop_string``: which of
    the request's ended the answer, None where it ended otherwise. ``full_context``: the size in
    tokens of the context that was full before the answer was at an end or a limit; else 0.
    """

    finish_reason: FinishReason
    timings: Timings
    seed: int | None
    model: str = ""
    quantisation: str = ""
    placement: str = ""
    dropped_turns: int = 0
    shifted_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    restored_tokens: int = 0
    stop_string: str | None = None
    full_context: int = 0

    @property
    def context_used(self) -> int:
        """Tokens that prompt and answer hold in the context."""
        timings = self.timings
        return timings.prompt_tokens + timings.completion_tokens - self.shifted_tokens

    def followed_by(self, later: Completion) -> Completion:
        """The numbers of an answer that ended as this says, and was gone on with as ``later`` says.
        Its prompt is what it was begun behind; tokens written and times are those of both."""
        timings, more = self.timings, later.timings
        total = msgspec.structs.replace(
            timings,
            queue_ms=timings.queue_ms + more.queue_ms,
            prefill_ms=timings.prefill_ms + more.prefill_ms,
            completion_tokens=timings.completion_tokens + more.completion_tokens,
            decode_ms=timings.decode_ms + more.decode_ms,
        )
        return msgspec.structs.replace(
            later,
            timings=total,
            dropped_turns=max(self.dropped_turns, later.dropped_turns),
            shifted_tokens=self.shifted_tokens + later.shifted_tokens,
            drafted_tokens=self.drafted_tokens + later.drafted_tokens,
            accepted_tokens=self.accepted_tokens + later.accepted_tokens,
            restored_tokens=self.restored_tokens,
        )

    @property
    def acceptance_rate(self) -> float | None:
        """The share of guessed tokens that were right; None where none were guessed."""
        return self.accepted_tokens / self.drafted_tokens if self.drafted_tokens else None
