"""A request's tokens on their way through the engine, and what one decode computes of them.

Pure Python: no ctypes, no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from minerva_desktop.engine.core.slot import Slot, Variant

ANSWER_RESERVE = 256  # tokens of an answer that must fit beside the prompt for it to be admitted


@dataclass(slots=True, eq=False)
class Sequence:
    """One request's tokens, and the slot that holds the computed ones.

    ``steady_until``: up to how many tokens what runs beside it must not change its rounding.
    ``drafts``: guesses at the tokens to come, to be computed along with the last one. ``pause_at``:
    no chunk of its prompt goes beyond so many tokens; there another takes what it holds.
    ``scores``: the log-probabilities of its prompt's tokens are wanted, of which ``n_scored`` are
    known. ``is_random``: nobody can expect the same answer again. ``kept_for``: what it leaves is
    for other answers to that prompt (`Generate.prompt_id`), as long as some wait, and then for
    nobody; None: it is for anyone. ``reuse``: it builds on all that is there, and else on that
    alone. ``is_retry``: a piece of its prompt was lost when somebody gave it up (`retries`).
    """

    request_id: int
    tokens: list[int]
    max_tokens: int | None
    reuse: bool = True
    variant: Variant = ()
    steady_until: int = 0
    scores: bool = False
    is_random: bool = False
    kept_for: int | None = None
    drafts: list[int] = field(default_factory=list)
    n_prompt: int = field(init=False)
    n_cached: int = 0
    n_shifted: int = 0
    slot: Slot | None = None
    was_admitted: bool = False
    pause_at: int = 0
    n_scored: int = 0
    is_retry: bool = False

    def __post_init__(self) -> None:
        self.n_prompt = len(self.tokens)

    @property
    def n_computed(self) -> int:
        """Tokens that are in the KV cache."""
        return self.slot.n_held if self.slot is not None else 0

    @property
    def n_sampled(self) -> int:
        """Tokens that were sampled so far."""
        return len(self.tokens) + self.n_shifted - self.n_prompt

    @property
    def n_to_come(self) -> int:
        """Tokens that it will have soon: those it has, and some more of its answer."""
        reserve = ANSWER_RESERVE
        if self.max_tokens is not None:
            reserve = min(reserve, max(0, self.max_tokens - self.n_sampled))
        return len(self.tokens) + reserve

    @property
    def siblings(self) -> int | None:
        """Whose ``kept_for`` is of use for it. To be scored, it must be computed itself."""
        return None if self.scores else self.kept_for

    @property
    def is_steady(self) -> bool:
        """Whether its next rows must not depend on others."""
        return len(self.tokens) <= self.steady_until

    @property
    def is_scoring(self) -> bool:
        """Whether each row of its next chunk shall have logits."""
        return self.scores and self.n_scored < self.n_prompt

    @property
    def is_prompt(self) -> bool:
        """Whether more than one token is to be computed."""
        slot = self.slot  # without `n_computed`: this is asked of each sequence in each step
        return len(self.tokens) - (0 if slot is None else len(slot.cells)) > 1


class Chunk(msgspec.Struct, eq=False):
    """``count`` tokens of ``sequence`` from position ``start``, to be decoded in this step; the
    last ``n_drafts`` of them are guesses. ``is_steady`` is as of the sequence. ``has_company``: it
    is a lone row without a guess, and another is to be computed behind it and forgotten. ``row``:
    of its last token, in the decode that has it."""

    sequence: Sequence
    slot: Slot
    start: int
    count: int
    n_drafts: int
    is_steady: bool
    has_company: bool = False
    row: int = -1

    @property
    def needs_logits(self) -> bool:
        """Whether the chunk reaches the sequence's end, so that a token can be sampled."""
        return self.start + self.count - self.n_drafts == len(self.sequence.tokens)

    @property
    def n_outputs(self) -> int:
        """How many of its rows, at its end, shall have logits."""
        sequence = self.sequence
        if sequence.scores and sequence.is_scoring:
            return self.count
        return self.n_drafts + 1 if self.needs_logits else 0

    @property
    def tokens(self) -> list[int]:
        """What is computed, the guesses at its end."""
        known = self.sequence.tokens[self.start : self.start + self.count - self.n_drafts]
        return known + self.sequence.drafts[: self.n_drafts] if self.n_drafts else known
