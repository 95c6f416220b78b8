"""Guesses at the tokens to come, which the model then checks all in one decode.

A guess costs little where it is wrong and saves a decode where it is right; it never changes what
is sampled. Here the interface and the guesses from the text itself; `draft_model` asks a model.
"""

from __future__ import annotations

from typing import Protocol

from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.slot import Slot

# Tokens at the end that must have come before in the same order. Longer is surer, so it is tried
# first; a single token says nothing.
NGRAMS = (4, 3, 2)


class Drafter(Protocol):
    """Where guesses come from."""

    def draft(self, sequences: list[Sequence]) -> None:
        """Fill the ``drafts`` of sequences that decode. Raises `InferenceError`."""

    def forget(self, request_id: int) -> None:
        """A sequence is over; idempotent."""

    def empty(self, slot: Slot, /) -> None:
        """The model's cache holds nothing of a slot any more."""

    def use_threads(self, n_threads: int) -> None:
        """Compute the next guesses with so many."""


def room_for_drafts(sequence: Sequence, n_draft: int, n_ctx: int) -> int:
    """How many guesses make sense: none beyond the answer's length or the context's end, where it
    stops, or goes on with less before it."""
    # The step itself brings one token more than it has guesses.
    room = min(n_draft, n_ctx - len(sequence.tokens) - 1)
    if sequence.max_tokens is not None:
        room = min(room, sequence.max_tokens - sequence.n_sampled - 1)
    return max(room, 0)


class PromptLookup:
    """Guesses that the text goes on as it did the last time that it read like this: of use where
    an answer quotes, edits code or fills a pattern. Pure Python."""

    def __init__(self, *, n_draft: int, n_ctx: int) -> None:
        """Both in tokens."""
        self._n_draft = n_draft
        self._n_ctx = n_ctx
        self._indexes: dict[int, _Index] = {}

    def use_threads(self, n_threads: int) -> None:
        """Nothing is computed with threads here."""

    def draft(self, sequences: list[Sequence]) -> None:
        """As in `Drafter`."""
        for sequence in sequences:
            index = self._indexes.setdefault(sequence.request_id, _Index())
            index.update(sequence)
            room = room_for_drafts(sequence, self._n_draft, self._n_ctx)
            sequence.drafts[:] = index.continuation(sequence.tokens, room)

    def forget(self, request_id: int) -> None:
        """As in `Drafter`."""
        self._indexes.pop(request_id, None)

    def empty(self, _slot: Slot) -> None:
        """Guesses come from a request's own text."""


class _Index:
    """Where each group of tokens stood last in one sequence."""

    def __init__(self) -> None:
        self._ends: dict[tuple[int, ...], int] = {}
        self._n_indexed = 0
        self._n_shifted = 0

    def update(self, sequence: Sequence) -> None:
        """Take in what was added. The end itself is left out: what follows it is not known."""
        if sequence.n_shifted != self._n_shifted:  # the tokens have moved
            self._ends.clear()
            self._n_indexed, self._n_shifted = 0, sequence.n_shifted
        tokens = sequence.tokens
        for end in range(self._n_indexed + 1, len(tokens)):
            for length in NGRAMS:
                if end >= length:
                    self._ends[tuple(tokens[end - length : end])] = end
        self._n_indexed = max(self._n_indexed, len(tokens) - 1)

    def continuation(self, tokens: list[int], room: int) -> list[int]:
        for length in NGRAMS:
            end = self._ends.get(tuple(tokens[-length:]))
            if end is not None:
                return tokens[end : end + room]
        return []
