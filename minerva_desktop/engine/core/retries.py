"""Prompts that were given up while a piece of them was computed. Pure Python: no ctypes, no clock,
no I/O. For `Scheduler`.

Nothing is left of a decode that is ended. Whoever waits for less time than one piece of a prompt
takes would wait in vain, however often the same is asked again. So what was given up twice is read
in small pieces, of which each is computed to its end, though the request is given up meanwhile
(`SequenceCache.interrupt`), and kept: each try goes on from where the last one was. Not what was
given up once: a person who stops an answer and asks anew has time, and small pieces take longer.
"""

from __future__ import annotations

from minerva_desktop.engine.core.sequence import Chunk, Sequence

RETRY_ROWS = 64
# Pieces, of 0.3 kB each. Prompts that are given up in turn must all be noted, or none of them ever
# goes on: these are more than may wait at once (`QueueLimit`).
MOST_NOTED = 4096
N_LOSSES = 2  # after which a prompt is read so

# Up to where a piece got lost: how many tokens that is, the last one, and a hash of them.
_Lost = tuple[int, int, int]


class Retries:
    """What was given up, until an answer to it has begun."""

    def __init__(self) -> None:
        self._lost: dict[_Lost, int] = {}  # how often, the one that was lost longest ago first

    def note(self, chunk: Chunk) -> None:
        """``chunk`` got lost. One that nobody could build on is none to ask for again."""
        sequence = chunk.sequence
        if not (sequence.is_prompt and sequence.reuse):
            return
        tokens = tuple(sequence.tokens[: chunk.start + chunk.count])
        lost = (len(tokens), tokens[-1], hash(tokens))
        self._lost[lost] = self._lost.pop(lost, 0) + 1
        if len(self._lost) > MOST_NOTED:
            del self._lost[next(iter(self._lost))]

    def has(self, sequence: Sequence) -> bool:
        """Whether what was lost again and again is to be computed once more."""
        if not (sequence.reuse and self._lost):
            return False
        n_lost = sum(count for lost, count in self._lost.items() if _begins(sequence, lost))
        return n_lost >= N_LOSSES

    def forget(self, sequence: Sequence) -> None:
        """An answer to what ``sequence`` asks has begun."""
        for lost in [lost for lost in self._lost if _begins(sequence, lost)]:
            del self._lost[lost]


def _begins(sequence: Sequence, lost: _Lost) -> bool:
    n_lost, last, all_of_them = lost
    tokens = sequence.tokens
    # Others usually end otherwise: of few is a hash made.
    if len(tokens) < n_lost or tokens[n_lost - 1] != last:
        return False
    return hash(tuple(tokens[:n_lost])) == all_of_them
