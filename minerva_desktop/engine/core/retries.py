"""Prompts that were given up while a piece of them was computed. Pure Python: no ctypes, no clock,
no I/O. For `Scheduler`.

Nothing is left of a decode that is ended. Whoever waits for less time than one piece of a prompt
takes would wait in vain, however often the same is asked again. So what was given up twice is read
in small pieces, of which each is computed to its end, though the request is given up meanwhile
(`SequenceCache.interrupt`), and kept: each try goes on from where the last one was. Not what was
given up once: a person who stops an answer and asks anew has time, and small pieces take longer.
"""

from __future__ import annotations

from collections import deque

from minerva_desktop.engine.core.sequence import Chunk, Sequence

RETRY_ROWS = 64
MOST_NOTED = 64  # pieces, two for each prompt
N_LOSSES = 2  # after which a prompt is read so


class Retries:
    """What was given up, until an answer to it has begun."""

    def __init__(self) -> None:
        self._lost: deque[list[int]] = deque(maxlen=MOST_NOTED)  # up to where a piece got lost

    def note(self, chunk: Chunk) -> None:
        """``chunk`` got lost. One that nobody could build on is none to ask for again."""
        sequence = chunk.sequence
        if sequence.is_prompt and sequence.reuse:
            self._lost.append(sequence.tokens[: chunk.start + chunk.count])

    def has(self, sequence: Sequence) -> bool:
        """Whether what was lost again and again is to be computed once more."""
        n_lost = sum(_begins(sequence, lost) for lost in self._lost)
        return sequence.reuse and n_lost >= N_LOSSES

    def forget(self, sequence: Sequence) -> None:
        """An answer to what ``sequence`` asks has begun."""
        for lost in [lost for lost in self._lost if _begins(sequence, lost)]:
            self._lost.remove(lost)


def _begins(sequence: Sequence, lost: list[int]) -> bool:
    tokens, n_lost = sequence.tokens, len(lost)
    # Others usually end otherwise: few are compared whole.
    return len(tokens) >= n_lost and tokens[n_lost - 1] == lost[-1] and tokens[:n_lost] == lost
