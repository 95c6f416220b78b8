"""Which tokens the next decode computes. Pure Python: no ctypes, no clock, no I/O.

There is no prefill phase and no decode phase: each step lets a sequence's computed tokens catch
up with the tokens it has. A prompt catches up in chunks; a sampled token is a chunk of one.

Requests wait in a queue and are admitted oldest first, once a slot is idle and the cache
has room for the prompt and some of the answer. Where the cache fills up all the same, first what
finished requests left behind goes, then the youngest running request is put back at the head of
the queue; it is computed again later. So the oldest always goes on, and nobody starves.
"""

from __future__ import annotations

from collections import deque

from minerva_desktop.engine.core.batch import Batch
from minerva_desktop.engine.core.batch_filler import ANY_FORMAT, BatchFiller, SteadyRows
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slot import Growth, Slot, Variant, common_prefix
from minerva_desktop.engine.core.slots import WORTH_SHARING, Placement, SlotTable
from minerva_desktop.engine.core.speculation import PromptLookup

# A request waits for one that is computing its beginning anyway, if that saves so many tokens.
WORTH_WAITING = 64


class Scheduler:
    """The queue of waiting sequences, and the running ones in their slots."""

    def __init__(
        self,
        slots: SlotTable,
        *,
        n_batch: int,
        max_running: int,
        n_outputs: int = 1,
        prompts_apart: bool = True,
        keeps_company: bool = True,
        steady_rows: SteadyRows = ANY_FORMAT,
    ) -> None:
        """``n_batch`` in tokens; at most ``max_running`` requests run, the others wait. One decode
        gives ``n_outputs`` rows of logits at most.
        ``prompts_apart``: a prompt shares a decode with nothing else. ``keeps_company``: the lone
        row of a steady sequence gets another, which the cache can forget, and ``steady_rows`` says
        when.

        ``slots`` may be more than run: the others keep what finished requests left.
        """
        self._slots = slots
        self.cells = slots.cells  # which are in use, also for those who may come back
        self._max_running = max_running
        self._filler = BatchFiller(
            slots,
            n_batch=n_batch,
            n_outputs=n_outputs,
            prompts_apart=prompts_apart,
            keeps_company=keeps_company,
            steady_rows=steady_rows,
        )
        self._lookup = PromptLookup(n_draft=1, n_ctx=slots.n_cells)
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._turn: Variant = ()
        self._last: Batch | None = None  # where it is plain, so that the next may be like it
        self.plain: list[Chunk] | None = None  # its chunks, `Batch.is_plain`

    def use_threads(self, n_threads: int | None) -> None:
        """So many share the cells of a row that is computed alone, in equal parts; None: in a way
        that is not known."""
        self._filler.lone_threads = n_threads

    @property
    def decoding(self) -> list[Sequence]:
        """The sequences of which the next step computes the last token only."""
        return [s for s in self._running if not s.is_prompt]

    @property
    def has_work(self) -> bool:
        """Whether `schedule` would return anything."""
        return bool(self._waiting or self._running)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence, whose prompt is known to fit into the context."""
        self._waiting.append(sequence)

    @property
    def has_waiting(self) -> bool:
        """Whether `admit` might give a slot to anyone."""
        return bool(self._waiting)

    def next_alone(self) -> Sequence | None:
        """The sequence that waits, if it is going to run by itself and would gain by a cache that
        holds nothing else."""
        if self._running or len(self._waiting) != 1:
            return None
        sequence = self._waiting[0]
        return sequence if self._filler.gains_alone(sequence) else None

    def kept(self) -> list[Slot]:
        """The idle slots that hold something, the one that was used longest ago first."""
        return self._slots.kept()

    def give_up(self, slot: Slot) -> None:
        """Note that the cache holds nothing of an idle slot any more."""
        self._slots.empty(slot)

    def admit(self) -> tuple[Sequence, Placement] | None:
        """Give a slot to the oldest waiting sequence, if it can start now.

        The placement is to be carried out in the cache before the next is asked for, which may
        take the slot of which this one shares cells.
        """
        if not self._waiting or not self._may_start(self._waiting[0]):
            return None
        sequence = self._waiting.popleft()
        placement = self._slots.take(
            sequence.tokens,
            reuse=sequence.reuse,
            variant=sequence.variant,
            steady=self.is_steady(sequence),
        )
        sequence.slot = placement.slot
        if not sequence.was_admitted:
            sequence.was_admitted = True
            sequence.n_cached = placement.n_reused
        self._running.append(sequence)
        return sequence, placement

    def schedule(self) -> Batch:
        """Fill one batch: the sequences that decode first, then prompts. Sequences with other
        adapters cannot be in one batch: the variants take turns."""
        last, n_running = self._last, len(self._running)
        if last is not None and n_running <= self.cells.n_free and last.go_on(n_running):
            return last
        batch = self._fill()
        is_plain = batch.is_plain(is_steady=self._filler.keeps_company)
        self._last = batch if is_plain else None
        self.plain = batch.groups[0] if is_plain else None
        return batch

    def _fill(self) -> Batch:
        evicted: list[Slot] = []
        self._next_turn()
        while True:
            turn = self._turn
            sequences = [s for s in self._running if s.variant == turn]
            others = (s for s in self._running if s.variant != turn)
            others_wait = any(not sequence.is_prompt for sequence in others)
            filled = self._filler.fill(sequences, others_wait=others_wait)
            if 0 < filled.n_cells <= self._slots.n_free_cells:
                groups = self._filler.share_out(filled)
                if lone := self._filler.lone_rows(groups):
                    evicted += self.reserve(filled.n_cells + len(lone))
                    if self._slots.n_free_cells >= filled.n_cells + len(lone):
                        for chunk in self._filler.lone_rows(groups):  # cells may have become free
                            self._give_company(chunk)
                    elif len(self._running) > 1:
                        self._put_back_youngest()
                        continue
                return Batch(evicted, groups, self._turn)
            if not filled.n_cells:  # all of this variant were put back
                self._next_turn()
                continue
            if any(chunk.n_drafts for chunk in filled.decoding):
                for chunk in filled.decoding:
                    chunk.sequence.drafts.clear()
                continue
            slot = self._slots.evict()
            if slot is not None:
                evicted.append(slot)
            elif len(self._running) > 1:
                self._put_back_youngest()
            else:  # it is never longer than the cache
                raise RuntimeError("the KV cache is smaller than one sequence")

    def _give_company(self, chunk: Chunk) -> None:
        """A second row for a lone one: the sequence's next token, if that can be guessed, for a
        right guess is one for nothing; else one that is thrown away. Amid a prompt nothing is
        guessed: what follows is there, and no row would tell that the guess is another."""
        if chunk.needs_logits:
            self._lookup.draft([chunk.sequence])
            chunk.n_drafts = len(chunk.sequence.drafts)
        chunk.count += chunk.n_drafts
        chunk.has_company = not chunk.n_drafts

    def reserve(self, n_cells: int) -> list[Slot]:
        """Empty idle slots, which the cache has to forget, until ``n_cells`` are free or nothing
        more can be given up."""
        evicted = []
        while self._slots.n_free_cells < n_cells and (slot := self._slots.evict()) is not None:
            evicted.append(slot)
        return evicted

    def may_hold(self, slot: Slot, count: int) -> bool:
        """Whether ``slot`` could come to hold ``count`` tokens if all idle ones gave theirs up."""
        return count <= self._slots.n_usable_cells + slot.n_held

    def has_free_cells(self, count: int) -> bool:
        """Whether the cache has room for ``count`` more tokens without giving anything up."""
        return self._slots.n_free_cells >= count

    def has_room_beside(self, sequence: Sequence) -> bool:
        """Whether a sequence that is to be added, with some of its answer, would take nothing away
        of what finished requests left."""
        return self._slots.has_empty and self._slots.n_free_cells >= sequence.n_to_come

    def make_room(self) -> Slot | None:
        """Empty a slot, which the cache has to forget: an idle one, or that of the youngest
        sequence, which then waits again. None when there is nothing to give up."""
        slot = self._slots.evict()
        if slot is None and len(self._running) > 1:
            self._put_back_youngest()
            slot = self._slots.evict()
        return slot

    def advance(self, chunks: list[Chunk]) -> None:
        """Note that ``chunks`` were decoded."""
        if chunks is self.plain:
            self._slots.extend_each(chunks)
        else:
            self._slots.extend_all(*self._growth(chunks))

    def undone(self, chunks: list[Chunk]) -> None:
        """Note that ``chunks`` got cells and were not computed, so that these are free again."""
        self.advance(chunks)
        for chunk in chunks:
            self.reject(chunk.sequence, chunk.count)

    def passed(self, n_tokens: int) -> None:
        """Note that so many were decoded, and forgotten at once."""
        self._slots.extend_all([], n_tokens)

    def is_steady(self, sequence: Sequence) -> bool:
        """Whether what is computed of ``sequence`` next must not depend on others, and does not."""
        return sequence.is_steady and self._filler.keeps_company

    @property
    def pairs_outputs(self) -> bool:
        """Whether a steady row that shall have logits needs another that has some."""
        return self._filler.pairs_outputs

    def misplaced(self, chunks: list[Chunk]) -> Sequence | None:
        """A steady sequence of which ``chunks`` would come to lie before what it has in the cache:
        then it would be summed up in another order, and round otherwise, than by itself."""
        steady = [chunk for chunk in chunks if chunk.is_steady]
        if not steady or not (self._filler.keeps_company and self._slots.knows_order):
            return None
        out_of_order = self._slots.misplaced(*self._growth(chunks))
        found = (chunk for chunk in steady if chunk.slot in out_of_order)
        return next((chunk.sequence for chunk in found), None)

    def moved(self, sequence: Sequence) -> None:
        """Note that all that the cache holds of a running sequence was put into other cells."""
        if sequence.slot is not None:
            self._slots.move(sequence.slot)

    def restored(self, sequence: Sequence, n_tokens: int, n_steady: int) -> None:
        """Note that the cache holds the first ``n_tokens`` of a running sequence, whose slot was
        empty, as a copy had them: ``n_steady`` of them computed steadily."""
        if sequence.slot is not None:
            self._slots.fill(sequence.slot, n_tokens, n_steady)
            sequence.n_cached = n_tokens

    def found_no_room(self) -> None:
        """Note that the cache had no room for a copy that was to be put back."""
        self._slots.look_from_start()

    def reject(self, sequence: Sequence, n_tokens: int) -> None:
        """The last ``n_tokens`` that were computed of a sequence are to be forgotten: wrong
        guesses."""
        if sequence.slot is not None:
            self._slots.shorten(sequence.slot, sequence.slot.n_held - n_tokens)

    def lost(self, sequence: Sequence, n_left: int = 0) -> None:
        """The cache holds only the first ``n_left`` tokens of a running sequence."""
        if sequence.slot is not None:
            self._slots.shorten(sequence.slot, n_left)
            sequence.n_cached = min(sequence.n_cached, n_left)

    def lost_all(self) -> None:
        """The cache holds nothing any more, and begins anew."""
        for sequence in self._running:
            self.lost(sequence)
        for slot in self._slots.kept():
            self._slots.empty(slot)
        self._slots.look_from_start()

    def shift(self, sequence: Sequence, keep: int, *, can_move: bool) -> int:
        """Forget the older half of what is behind a sequence's first ``keep`` tokens. Returns how
        many tokens that is; the cache has to do the same, unless the slot holds only ``keep`` now,
        because its cells are shared, or no cell ``can_move``: then the rest is computed anew."""
        self._last = None  # shorter, it may be one that must be steady
        count = (len(sequence.tokens) - keep) // 2
        slot = sequence.slot
        if slot is not None and (self._slots.is_shared(slot) or not can_move):
            self._slots.shorten(slot, keep)
        elif slot is not None:
            self._slots.cut(slot, keep, count)
        del sequence.tokens[keep : keep + count]
        sequence.n_shifted += count
        return count

    def remove(self, request_id: int) -> None:
        """Forget a sequence, running or waiting; idempotent. What its slot holds stays there."""
        self._lookup.forget(request_id)
        for sequence in self._running:
            if sequence.request_id == request_id:
                self._running.remove(sequence)
                self._leave_slot(sequence)
                return
        for sequence in self._waiting:
            if sequence.request_id == request_id:
                self._waiting.remove(sequence)
                return

    def _growth(self, chunks: list[Chunk]) -> tuple[list[Growth], int]:
        """How much each slot grows by a decode, and how many rows only keep company."""
        n_company = 0
        grown = []
        for chunk in chunks:
            n_company += chunk.has_company
            is_steady = chunk.is_steady and self._filler.keeps_company
            grown.append((chunk.slot, chunk.count, is_steady))
        return grown, n_company

    def _put_back_youngest(self) -> None:
        sequence = self._running.pop()
        sequence.drafts.clear()
        self._waiting.appendleft(sequence)
        self._leave_slot(sequence)

    def _leave_slot(self, sequence: Sequence) -> None:
        if sequence.slot is not None:
            self._slots.release(sequence.slot)
            sequence.slot = None

    def _may_start(self, sequence: Sequence) -> bool:
        if not self._running:
            return True
        if len(self._running) >= self._max_running:
            return False
        donor, n_reused = self._best_prefix(sequence)
        will_share = self._will_share if self._slots.shares_running else self._will_meet
        if sequence.reuse and will_share(sequence, n_reused):
            return False
        # Reused cells of an idle slot are lost to others now; those of a busy one were before.
        n_shared = n_reused if donor is not None and donor.busy else 0
        to_come = sum(other.n_to_come - other.n_computed for other in self._running)
        return sequence.n_to_come - n_shared + to_come <= self._slots.n_usable_cells

    def _will_meet(self, sequence: Sequence, n_reused: int) -> bool:
        """Whether a running prompt is about to hold this one's beginning and nothing else. A state
        that cannot go back can be shared right there only, so the prompt pauses."""
        for other in self._running:
            if self._makes_for(other, sequence):
                limit = min(len(other.tokens), len(sequence.tokens)) - 1
                n_common = common_prefix(other.tokens, sequence.tokens, limit)
                if n_common >= n_reused + WORTH_WAITING and other.n_computed < n_common:
                    other.pause_at = n_common
                    return True
        return False

    def _makes_for(self, other: Sequence, sequence: Sequence) -> bool:
        """Whether ``sequence`` could build on the prompt that ``other`` computes now."""
        is_fit = other.variant == sequence.variant and (
            other.is_steady or not self.is_steady(sequence)
        )
        return other.is_prompt and is_fit

    def _best_prefix(self, sequence: Sequence) -> tuple[Slot | None, int]:
        if not sequence.reuse:
            return None, 0
        steady = self.is_steady(sequence)
        return self._slots.best_prefix(sequence.tokens, sequence.variant, steady=steady)

    def _next_turn(self) -> None:
        if len(self._running) == 1:
            self._turn = self._running[0].variant
            return
        variants = list(dict.fromkeys(sequence.variant for sequence in self._running))
        last = variants.index(self._turn) if self._turn in variants else -1
        self._turn = variants[(last + 1) % len(variants)]

    def _will_share(self, sequence: Sequence, n_reused: int) -> bool:
        """Whether a running prompt is about to compute much of this one's beginning, or is the
        same: of ``n`` answers to a short prompt, one computes it."""
        limit = len(sequence.tokens) - 1
        for other in self._running:
            if self._makes_for(other, sequence):
                n_common = common_prefix(other.tokens, sequence.tokens, limit)
                # A longer one may have its turn much later.
                is_same = n_common == limit and len(other.tokens) <= len(sequence.tokens)
                worth = WORTH_SHARING if is_same else WORTH_WAITING
                if n_common >= n_reused + worth:
                    return True
                # It waited already, for what is half done now.
                if n_common >= worth and n_reused <= other.n_computed < n_common:
                    return True
        return False
