"""Which tokens the next decode computes. Pure Python: no ctypes, no clock, no I/O.

There is no prefill phase and no decode phase: each step lets a sequence's computed tokens catch
up with the tokens it has. A prompt catches up in chunks; a sampled token is a chunk of one.

Requests wait in a queue and are admitted oldest first, once a slot is idle and the cache
has room for the prompt and some of the answer; one that waits for another to compute its beginning
keeps a slot and room, and lets those behind it start before (`Admission`). Where the cache fills
up all the same, first what finished requests left behind goes, then the youngest running request is
put back at the head of the queue; it is computed again later. So the oldest always goes on, and
nobody starves.
"""

from __future__ import annotations

from collections import deque

from minerva_desktop.engine.core.admission import Admission
from minerva_desktop.engine.core.batch import Batch
from minerva_desktop.engine.core.batch_filler import ANY_FORMAT, BatchFiller, SteadyRows
from minerva_desktop.engine.core.retries import Retries
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slot import Growth, Slot, Variant
from minerva_desktop.engine.core.slots import Placement, SlotTable
from minerva_desktop.engine.core.speculation import PromptLookup


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
        guesses: bool = True,
        steady_rows: SteadyRows = ANY_FORMAT,
    ) -> None:
        """``n_batch`` in tokens; at most ``max_running`` requests run, the others wait. One decode
        gives ``n_outputs`` rows of logits at most.
        ``prompts_apart``: a prompt shares a decode with nothing else. ``keeps_company``: the lone
        row of a steady sequence gets another, which the cache can forget, and ``steady_rows`` says
        when. ``guesses``: it may be a guess at the sequence's next token.

        ``slots`` may be more than run: the others keep what finished requests left.
        """
        self._slots = slots
        self.cells = slots.cells  # which are in use, also for those who may come back
        self._filler = BatchFiller(
            slots,
            n_batch=n_batch,
            n_outputs=n_outputs,
            prompts_apart=prompts_apart,
            keeps_company=keeps_company,
            steady_rows=steady_rows,
        )
        self._admission = Admission(
            slots, max_running=max_running, keeps_company=self._filler.keeps_company
        )
        self._guesses = guesses
        self._lookup = PromptLookup(n_draft=1, n_ctx=slots.n_cells)
        self._retries = Retries()
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
        """The idle slots that hold something for anyone, the one used longest ago first."""
        return [slot for slot in self._slots.kept() if slot.kept_for is None]

    def give_up(self, slot: Slot) -> None:
        """Note that the cache holds nothing of an idle slot any more."""
        self._slots.empty(slot)

    def admit(self) -> tuple[Sequence, Placement] | None:
        """Give a slot to the oldest waiting sequence that can start now, if there is one.

        The placement is to be carried out in the cache before the next is asked for, which may
        take the slot of which this one shares cells.
        """
        sequence = self._admission.next_of(self._waiting, self._running)
        if sequence is None:
            return None
        self._waiting.remove(sequence)
        placement = self._slots.take(
            sequence.tokens,
            reuse=sequence.reuse,
            siblings=sequence.siblings,
            variant=sequence.variant,
            steady=self.is_steady(sequence),
        )
        sequence.slot = placement.slot
        sequence.slot.kept_for = sequence.kept_for
        sequence.is_retry = self._retries.has(sequence)
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
        if chunk.needs_logits and self._guesses:
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
            self._retries.note(chunk)

    def passed(self, n_tokens: int) -> None:
        """Note that so many were decoded, and forgotten at once."""
        self._slots.extend_all([], n_tokens)

    def is_steady(self, sequence: Sequence) -> bool:
        """Whether what is computed of ``sequence`` next must not depend on others, and does not."""
        return self._admission.is_steady(sequence)

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

    def remove(self, request_id: int) -> list[Slot]:
        """Forget a sequence, running or waiting; idempotent. What its slot holds stays there, but
        the cache has to forget the slots that are returned: what was kept for others like it, of
        which none waits."""
        self._lookup.forget(request_id)
        for sequence in self._running:
            if sequence.request_id == request_id:
                if sequence.n_sampled:
                    self._retries.forget(sequence)
                self._running.remove(sequence)
                self._leave_slot(sequence)
                return self._left_for_nobody(sequence)
        for sequence in self._waiting:
            if sequence.request_id == request_id:
                self._waiting.remove(sequence)
                return self._left_for_nobody(sequence)
        return []

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
        """What it had computed is there for it until its cells are needed."""
        sequence = self._running.pop()
        sequence.drafts.clear()
        self._waiting.appendleft(sequence)
        self._leave_slot(sequence)

    def _leave_slot(self, sequence: Sequence) -> None:
        slot, sequence.slot = sequence.slot, None
        if slot is not None:
            self._slots.release(slot)

    def _left_for_nobody(self, sequence: Sequence) -> list[Slot]:
        wanted = sequence.kept_for
        if wanted is None or any(other.kept_for == wanted for other in self._waiting):
            return []
        return self._slots.empty_kept_for(wanted)

    def _next_turn(self) -> None:
        if len(self._running) == 1:
            self._turn = self._running[0].variant
            return
        variants = list(dict.fromkeys(sequence.variant for sequence in self._running))
        last = variants.index(self._turn) if self._turn in variants else -1
        self._turn = variants[(last + 1) % len(variants)]
