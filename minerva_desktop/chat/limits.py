"""What a request may cost: how long it may take, and what happens when the context is too small."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from minerva_desktop.errors import GenerationTimeout, InvalidRequest

MAX_SECONDS = 7 * 24 * 3600.0


class Overflow(StrEnum):
    """What to do when a conversation outgrows the context.

    ``stop``: refuse a prompt that is too long; end an answer that reaches the end with ``length``.
    ``truncate_middle``: leave out the oldest turns after the system message, whole ones, until the
    rest fits; the completion says how many. ``shift``: when an answer reaches the end, forget the
    older half of what is behind the prompt's first tokens and go on; only with ``max_tokens``.
    """

    STOP = "stop"
    TRUNCATE_MIDDLE = "truncate_middle"
    SHIFT = "shift"


class Wait(StrEnum):
    """What a request waits for, in words that go on from "It took 3 s"."""

    QUEUE = "in the queue"
    FIRST_TOKEN = "before its first token"
    END = "in all"


class Asked(StrEnum):
    """What a request is for, in words that "timed out" follows."""

    ANSWER = "Generation request"
    EMBEDDINGS = "Embeddings request"
    TOKENS = "Request"


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a request may wait in the queue, may take to its first token, and may take in
    all (each None: as long as it takes), all from when the engine got it."""

    overflow: Overflow = Overflow.STOP
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
    total_seconds: float | None = None

    @property
    def has_times(self) -> bool:
        """Whether any of the times is limited."""
        times = (self.queue_seconds, self.first_token_seconds, self.total_seconds)
        return times != (None, None, None)

    def times(self) -> tuple[tuple[Wait, float], ...]:
        """Those times that are limited, in seconds."""
        all_times = (
            (Wait.QUEUE, self.queue_seconds),
            (Wait.FIRST_TOKEN, self.first_token_seconds),
            (Wait.END, self.total_seconds),
        )
        return tuple((wait, limit) for wait, limit in all_times if limit is not None)

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, when a time is no time."""
        for name in ("queue_seconds", "first_token_seconds", "total_seconds"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value <= MAX_SECONDS:
                raise InvalidRequest(
                    f"{name} must be more than 0 and at most {MAX_SECONDS:,.0f}, not {value}",
                    param=name,
                )


def timed_out(
    wait: Wait, *, waited: float, limit: float, asked: Asked = Asked.ANSWER
) -> GenerationTimeout:
    """The end of a request that waited for longer than ``limit`` seconds."""
    return GenerationTimeout(
        f"{asked} timed out: it took {waited:.1f} s {wait}, and at most {limit:g} s were allowed"
    )
