"""Kept sequences that wait outside of the cache, so that a short answer by itself has it alone.

Each step looks at all cells up to the last one in use, and from `LONE_CELLS` on ggml shares a lone
row's out to its threads, which a steady one must not be (`batch_filler`). Beside 19 kept chats of
163 tokens a token of SmolLM2 takes 1.08 times as long as in an empty cache, and 1.5 times with
company (**measured**, 2 threads). Their states are copied out before the answer starts (0.7 ms a
megabyte), and back when somebody asks for what they hold (0.12 ms a megabyte): the same bytes, so
that what is computed from them is the same to the last bit.

All are parked or none, and never more than there were slots for. No ledger counts them: the parent
says how much of the memory for models is left for them. Engine child, main thread.
"""

from __future__ import annotations

from typing import Any

import msgspec

from minerva_desktop.engine.core.chat_states import ChatStates
from minerva_desktop.engine.core.llama import LlamaContext
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.slot import Slot, Variant, common_prefix
from minerva_desktop.engine.core.slots import WORTH_SHARING
from minerva_desktop.engine.memory_messages import MOST_PARKED_BYTES


class _Parked(msgspec.Struct, frozen=True, eq=False):
    """The state of ``tokens``, computed with ``variant``, the first ``n_steady`` steadily."""

    tokens: list[int]
    variant: Variant
    n_steady: int
    state: Any

    def usable(self, sequence: Sequence, *, steady: bool) -> int:
        """How many tokens at the beginning of ``sequence`` this has; ``steady``: as far as they
        were computed steadily."""
        if self.variant != sequence.variant or not sequence.reuse:
            return 0
        n_held = self.n_steady if steady else len(self.tokens)
        limit = min(n_held, len(sequence.tokens) - 1)
        return common_prefix(self.tokens, sequence.tokens, limit)


class Parking:
    """What was taken out of the cache of one context, within a budget of bytes."""

    def __init__(
        self,
        context: LlamaContext,
        scheduler: Scheduler,
        states: ChatStates | None,
        kv_bytes: int,
        *,
        n_kept: int,
    ) -> None:
        """``states`` saves chats, out of the cache only. ``kv_bytes``: what the whole cache takes;
        ``n_kept``: so many sequences are kept beside one that runs, parked ones among them."""
        self._context = context
        self._scheduler = scheduler
        self._states = states
        self._token_bytes = kv_bytes / context.n_ctx
        self._kv_bytes = kv_bytes
        self._max_bytes = min(kv_bytes, MOST_PARKED_BYTES)
        self._n_kept = n_kept
        self._parked: list[_Parked] = []  # the one that was used longest ago first

    def limit(self, n_bytes: int) -> None:
        """Keep at most so much from now on, and never more than the cache itself takes."""
        self._max_bytes = min(n_bytes, self._kv_bytes, MOST_PARKED_BYTES)
        while self._parked and sum(len(p.state) for p in self._parked) > self._max_bytes:
            del self._parked[0]

    def drop(self) -> None:
        """Let go of all that waits: it is processed anew where somebody asks for it."""
        self._parked.clear()

    def make_way(self, sequence: Sequence) -> None:
        """Empty the cache for ``sequence``, which is about to run by itself, but for what it can
        go on from where that lies."""
        slots = self._scheduler.kept()
        self._leave_out(slots, sequence)
        n_tokens = sum(slot.n_held for slot in slots) + sum(len(p.tokens) for p in self._parked)
        if n_tokens * self._token_bytes > self._max_bytes:
            return
        if self._states is not None and any(map(self._states.is_unsaved, slots)):
            return
        if not all(slot.lies_in_order for slot in slots):
            return  # a copy would lie in the same order as its original
        for slot in slots:
            if slot.cells[0] == 0 and slot.is_in_one_piece and _is_begun_by(sequence, slot):
                continue
            tokens, n_steady = slot.tokens[: slot.n_held], slot.n_steady
            state = self._context.take_out(slot.index)
            if state is None:
                return
            self._parked.append(_Parked(tokens, slot.variant, n_steady, state))
            self._scheduler.give_up(slot)

    def restore(self, sequence: Sequence) -> None:
        """Put back what the beginning of ``sequence``, which was just admitted, was parked with, if
        that is much more of it than its slot holds."""
        slot, best = sequence.slot, self._best(sequence)
        if slot is None or best is None:
            return
        length, n_parked = self._usable(best, sequence), len(best.tokens)
        if length < slot.n_held + WORTH_SHARING or not self._scheduler.may_hold(slot, n_parked):
            return
        self._context.forget(slot.index)
        self._scheduler.lost(sequence)
        for evicted in self._scheduler.reserve(n_parked):
            self._context.forget(evicted.index)
        if not self._scheduler.has_free_cells(n_parked):
            return
        if not self._context.put_back(slot.index, best.state):
            self._context.forget(slot.index)
            self._scheduler.found_no_room()
            return
        self._scheduler.restored(sequence, n_parked, best.n_steady)
        self._scheduler.reject(sequence, n_parked - length)
        self._context.forget(slot.index, length)
        sequence.n_cached = length
        n_behind = n_parked - length
        has_room = len(self._parked) + len(self._scheduler.kept()) < self._n_kept
        if not n_behind or (n_behind <= length and not has_room):  # as `SlotTable.take` has it
            self._parked.remove(best)

    def _leave_out(self, slots: list[Slot], sequence: Sequence) -> None:
        """Let go of parked sequences that one of ``slots`` holds, too, and of the oldest of those
        for which there would be no slot beside that of ``sequence``, which is to use one."""
        for parked in self._parked[:]:
            n = len(parked.tokens)
            if any(
                parked.variant == slot.variant
                and common_prefix(parked.tokens, slot.tokens, min(n, slot.n_held)) == n
                for slot in slots
            ):
                self._parked.remove(parked)
        wanted = self._best(sequence)
        is_begun = wanted is not None or any(_is_begun_by(sequence, slot) for slot in slots)
        excess = len(slots) + len(self._parked) - is_begun - self._n_kept
        others = [parked for parked in self._parked if parked is not wanted]
        for parked in others[: max(0, excess)]:
            self._parked.remove(parked)

    def _best(self, sequence: Sequence) -> _Parked | None:
        """The parked one that has most of the beginning of ``sequence``, if that is worth it."""
        best = max(self._parked, key=lambda each: self._usable(each, sequence), default=None)
        is_worth = best is not None and self._usable(best, sequence) >= WORTH_SHARING
        return best if is_worth else None

    def _usable(self, parked: _Parked, sequence: Sequence) -> int:
        return parked.usable(sequence, steady=self._scheduler.is_steady(sequence))


def _is_begun_by(sequence: Sequence, slot: Slot) -> bool:
    """Whether ``slot`` holds a beginning of ``sequence`` and nothing else."""
    if not sequence.reuse or slot.variant != sequence.variant:
        return False
    n_held = slot.n_held
    return common_prefix(slot.tokens, sequence.tokens, len(sequence.tokens) - 1) >= n_held > 0
