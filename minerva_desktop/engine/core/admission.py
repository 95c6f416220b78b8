"""Who of those that wait may start. Pure Python: no ctypes, no clock, no I/O. For `Scheduler`.

The oldest is first. One whose beginning a running prompt is about to compute waits for that, and
those behind it may start meanwhile, where a slot and room in the cache are left for it: first
tokens come after 11 % fewer rows with that, of 16 that run (40 random queues of prompts that share
a few beginnings, **measured** without a model). Without waiting, 13 % more rows are computed at 4
that run, 40 % at 16; where one gives up waiting once others have computed more rows meanwhile than
it will save, 3 to 6 % more: so none does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.slot import Slot, common_prefix
from minerva_desktop.engine.core.slots import WORTH_SHARING, SlotTable

# A request waits for one that is computing its beginning anyway, if that saves so many tokens.
WORTH_WAITING = 64
MOST_ASKED = 16  # of those that wait, in each step: one of 4,000 tokens takes 0.04 ms


class Admission:
    """Finds the next that may start beside those that run."""

    def __init__(self, slots: SlotTable, *, max_running: int, keeps_company: bool) -> None:
        """As in `Scheduler`."""
        self._slots = slots
        self._max_running = max_running
        self._keeps_company = keeps_company

    def next_of(self, waiting: Iterable[Sequence], running: list[Sequence]) -> Sequence | None:
        """The oldest of ``waiting`` (oldest first) that can start now beside ``running``."""
        if not running:
            return next(iter(waiting), None)
        n_places = self._max_running - len(running)
        if n_places <= 0:
            return None
        n_to_come = sum(other.n_to_come - other.n_computed for other in running)
        for sequence in itertools.islice(waiting, min(n_places, MOST_ASKED)):
            donor, n_reused = self._best_prefix(sequence)
            # Reused cells of an idle slot are lost to others now; those of a busy one were before.
            n_shared = n_reused if donor is not None and donor.busy else 0
            if sequence.n_to_come - n_shared + n_to_come > self._slots.n_usable_cells:
                return None
            if not self._waits(sequence, n_reused, running):
                return sequence
            # Who is ahead keeps a place and room.
            n_to_come += sequence.n_to_come - n_shared
        return None

    def is_steady(self, sequence: Sequence) -> bool:
        """As in `Scheduler`."""
        return sequence.is_steady and self._keeps_company

    def _best_prefix(self, sequence: Sequence) -> tuple[Slot | None, int]:
        return self._slots.best_prefix(
            sequence.tokens,
            sequence.variant,
            reuse=sequence.reuse,
            siblings=sequence.siblings,
            steady=self.is_steady(sequence),
        )

    def _waits(self, sequence: Sequence, n_reused: int, running: list[Sequence]) -> bool:
        prompts = [other for other in running if self._makes_for(other, sequence)]
        if self._slots.shares_running:
            return any(_will_share(other, sequence, n_reused) for other in prompts)
        return any(_will_meet(other, sequence, n_reused) for other in prompts)

    def _makes_for(self, other: Sequence, sequence: Sequence) -> bool:
        """Whether ``sequence`` could build on the prompt that ``other`` computes now. Of those that
        came later there may always be one more: who waited for these might wait for ever. And one
        that leaves nothing must go on for a step behind its prompt."""
        is_sibling = other.kept_for is not None and other.kept_for == sequence.siblings
        is_short = other.max_tokens is not None and other.max_tokens <= 1
        if not is_sibling and (not sequence.reuse or (other.kept_for is not None and is_short)):
            return False
        is_fit = other.variant == sequence.variant and (
            other.is_steady or not self.is_steady(sequence)
        )
        return other.request_id < sequence.request_id and other.is_prompt and is_fit


def _will_share(other: Sequence, sequence: Sequence, n_reused: int) -> bool:
    """Whether a running prompt is about to compute much of this one's beginning, or is the same: of
    ``n`` answers to a short prompt, one computes it."""
    limit = len(sequence.tokens) - 1
    n_common = common_prefix(other.tokens, sequence.tokens, limit)
    # A longer one may have its turn much later.
    is_same = n_common == limit and len(other.tokens) <= len(sequence.tokens)
    worth = WORTH_SHARING if is_same else WORTH_WAITING
    if n_common >= n_reused + worth:
        return True
    # It waited already, for what is half done now.
    return n_common >= worth and n_reused <= other.n_computed < n_common


def _will_meet(other: Sequence, sequence: Sequence, n_reused: int) -> bool:
    """Whether a running prompt is about to hold this one's beginning and nothing else. A state that
    cannot go back can be shared right there only, so the prompt pauses, first where it is to be
    shared first."""
    limit = min(len(other.tokens), len(sequence.tokens)) - 1
    n_common = common_prefix(other.tokens, sequence.tokens, limit)
    if n_common < n_reused + WORTH_WAITING or other.n_computed >= n_common:
        return False
    pauses = other.pause_at > other.n_computed
    other.pause_at = min(n_common, other.pause_at) if pauses else n_common
    return True
