"""Which tokens the next decode computes. Pure Python: no ctypes, no clock, no I/O.

There is no prefill phase and no decode phase: each step lets a sequence's computed tokens catch
up with the tokens it has. A prompt catches up in chunks of ``n_batch``; a sampled token is a chunk
of one. Waiting requests are admitted oldest first while a slot is free.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Sequence:
    """One request's tokens and how many of them are in the KV cache."""

    request_id: int
    tokens: list[int]
    max_tokens: int | None
    n_prompt: int = field(init=False)
    n_computed: int = 0
    slot: int = -1

    def __post_init__(self) -> None:
        self.n_prompt = len(self.tokens)

    @property
    def n_sampled(self) -> int:
        """Tokens that were sampled so far."""
        return len(self.tokens) - self.n_prompt


@dataclass(frozen=True, slots=True)
class Chunk:
    """``count`` tokens of ``sequence`` from position ``start``, to be decoded in this step."""

    sequence: Sequence
    start: int
    count: int

    @property
    def needs_logits(self) -> bool:
        """Whether the chunk reaches the sequence's end, so that a token can be sampled."""
        return self.start + self.count == len(self.sequence.tokens)


class Scheduler:
    """A queue of waiting sequences and the ``n_seq_max`` slots in which the others run."""

    def __init__(self, *, n_batch: int, n_seq_max: int) -> None:
        self._n_batch = n_batch
        self._free_slots = list(reversed(range(n_seq_max)))
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []

    @property
    def has_work(self) -> bool:
        """Whether `schedule` would return anything."""
        return bool(self._waiting or self._running)

    @property
    def running(self) -> tuple[Sequence, ...]:
        """The admitted sequences, oldest first."""
        return tuple(self._running)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence. Its prompt is known to fit into the context."""
        self._waiting.append(sequence)

    def schedule(self) -> list[Chunk]:
        """Admit what fits and fill one batch: sequences that decode first, then prompt chunks."""
        while self._waiting and self._free_slots:
            sequence = self._waiting.popleft()
            sequence.slot = self._free_slots.pop()
            self._running.append(sequence)
        budget = self._n_batch
        chunks = []
        by_need = sorted(self._running, key=lambda s: len(s.tokens) - s.n_computed > 1)
        for sequence in by_need:
            count = min(budget, len(sequence.tokens) - sequence.n_computed)
            if count > 0:
                chunks.append(Chunk(sequence, sequence.n_computed, count))
                budget -= count
        return chunks

    def advance(self, chunks: list[Chunk]) -> None:
        """Note that ``chunks`` were decoded."""
        for chunk in chunks:
            chunk.sequence.n_computed = chunk.start + chunk.count

    def remove(self, request_id: int) -> Sequence | None:
        """Forget a sequence, running or waiting, and free its slot; None when there is none."""
        for sequence in self._running:
            if sequence.request_id == request_id:
                self._running.remove(sequence)
                self._free_slots.append(sequence.slot)
                return sequence
        for sequence in self._waiting:
            if sequence.request_id == request_id:
                self._waiting.remove(sequence)
                return sequence
        return None
