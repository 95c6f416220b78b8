"""The KV cache as the scheduler has it: carries out what the one decides in the other.

Used by `EngineCore`, on the engine child's main thread, but for `interrupt`.
"""

from __future__ import annotations

import psutil

from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.llama import Decoded, LlamaContext
from minerva_desktop.engine.core.parking import Parking
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slot import Slot
from minerva_desktop.engine.core.slots import Placement
from minerva_desktop.engine.core.speculation import Drafter
from minerva_desktop.errors import InferenceError, OutOfMemory

# What is moved for the sake of the same text, which takes 0.4 s: 4,096 tokens of a model with 8
# billion parameters. Only answers with a seed grow so long, where somebody wants just that.
MOST_MOVED_BYTES = 512 * 1024 * 1024
KEPT_SHARE = 4  # a shift keeps the prompt's first tokens, at most a fourth of the context


class SequenceCache:
    """Sequences in llama.cpp's context, and the scheduler's book about them."""

    def __init__(
        self,
        context: LlamaContext,
        scheduler: Scheduler,
        abort: AbortFlag,
        parking: Parking,
        *,
        drafter: Drafter | None = None,
        can_turn: bool = True,
        n_window: int = 0,
        stranger: int | None = None,
    ) -> None:
        """``parking``: where kept sequences may wait. ``drafter``: who has a cache, too.
        ``can_turn``: keys can be turned for other positions. ``n_window``: where some layers look
        at so many tokens only, and sequences go on from amid what they hold all the same.
        ``stranger``: a sequence of nobody, for company to those that cannot forget a row."""
        self._context = context
        self._scheduler = scheduler
        self.parking = parking
        self._abort_flag = abort
        self._drafter = drafter
        self._can_turn = can_turn
        self._n_window = n_window
        self._stranger = stranger
        self._decoding: list[Chunk] = []
        self._has_shifted = False  # tokens whose keys are not turned to their positions yet
        self.was_wiped = False  # since what runs was scheduled, so that it stands nowhere

    def interrupt(self, request_id: int) -> None:
        """End the running decode if it is mostly for this request, but for a small piece that
        would be lost once more (`retries`). Any thread."""
        chunks = self._decoding
        own = [c for c in chunks if c.sequence.request_id == request_id]
        is_kept = any(c.sequence.is_retry and c.sequence.is_prompt for c in own)
        if not is_kept and sum(c.count for c in own) > sum(c.count for c in chunks) / 2:
            self._abort_flag.set()

    def forget(self, slots: list[Slot]) -> None:
        """Empty slots that the scheduler gave up."""
        for slot in slots:
            self._context.forget(slot.index)
            if self._drafter is not None:
                self._drafter.empty(slot)

    def make_way(self) -> None:
        """To be called before sequences are admitted."""
        sequence = self._scheduler.next_alone()
        if sequence is not None:
            self.parking.make_way(sequence)

    def restore(self, sequence: Sequence) -> None:
        """Put back what was parked of a sequence that was just admitted."""
        self.parking.restore(sequence)

    def place(self, sequence: Sequence, placement: Placement) -> None:
        """Let a sequence that was admitted have what it can use of the cache."""
        slot = placement.slot.index
        if not self._context.forget(slot, placement.n_kept):
            self._context.forget(slot)
            self._scheduler.lost(sequence)
            return
        if placement.donor is not None:
            self._context.share(placement.donor.index, slot, placement.n_copied)
        if self._n_window and placement.n_reused:
            # llama.cpp gives others those cells of a window that no token at the end looks at.
            first_seen = max(0, placement.n_reused + 1 - self._n_window)
            if not 0 <= self._context.first_position(slot) <= first_seen:
                self._context.forget(slot)
                self._scheduler.lost(sequence)

    def decode(self, chunks: list[Chunk]) -> bool:
        """Compute ``chunks`` in one batch; False when nothing was computed. Raises
        `InferenceError` or `OutOfMemory` when llama.cpp gives up on it."""
        if self._has_shifted and not self._turn_keys(chunks[0]):
            return False
        is_plain = chunks is self._scheduler.plain
        if not (is_plain or self._put_in_order(chunks)):
            return False
        if is_plain:
            self._fill_plainly(chunks)
        else:
            self._fill(chunks)
        self._decoding = chunks
        try:
            decoded = self._context.decode()
        except (InferenceError, OutOfMemory):
            self._roll_back(chunks)
            raise
        finally:
            self._decoding = []
        if decoded is Decoded.DONE:
            if not is_plain:
                self._forget_company(chunks)
            return True
        if decoded is Decoded.ABORTED:
            self._scheduler.undone(chunks)
        self._roll_back(chunks)
        if decoded is Decoded.NO_ROOM:
            self._make_room()
        return False

    def _fill(self, chunks: list[Chunk]) -> None:
        """Make ``chunks`` the next batch, company behind them."""
        batch = self._context.batch
        batch.clear()
        wanted, of_company = self._outputs(chunks)
        for chunk, n_outputs in zip(chunks, wanted, strict=True):
            chunk.row = batch.add(
                chunk.tokens, position=chunk.start, slot=chunk.slot.index, n_outputs=n_outputs
            )
        for chunk in chunks:
            if chunk.has_company:
                slot, position = self._place_of_company(chunk)
                batch.add(chunk.tokens[-1:], position=position, slot=slot, n_outputs=of_company)

    def _place_of_company(self, chunk: Chunk) -> tuple[int, int]:
        """The sequence and the position of a row that keeps ``chunk`` company."""
        if self._stranger is not None:
            return self._stranger, 0
        return chunk.slot.index, chunk.start + chunk.count

    def _fill_plainly(self, chunks: list[Chunk]) -> None:
        """The same for one token of each sequence."""
        batch = self._context.batch
        for row, chunk in enumerate(chunks):
            start = chunk.start
            batch.put(row, chunk.sequence.tokens[start], start, chunk.slot.index)
            chunk.row = row

    def _forget_company(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            if chunk.has_company:
                self._context.forget(*self._place_of_company(chunk))

    def _outputs(self, chunks: list[Chunk]) -> tuple[list[int], int]:
        """How many rows of each chunk shall have logits, and how many that are company. The only
        one that a steady sequence wants has another beside it, where that matters: from the last
        layer on, ggml multiplies only those that shall have some."""
        wanted = [chunk.n_outputs for chunk in chunks]
        if not self._scheduler.pairs_outputs or sum(wanted) != 1:
            return wanted, 0
        index = wanted.index(1)
        only = chunks[index]
        if only.is_steady and only.count > 1:
            wanted[index] = 2
        elif only.is_steady and len(chunks) > 1:
            wanted[index - 1] = 1
        return wanted, int(only.has_company)

    def _make_room(self) -> None:
        slot = self._scheduler.make_room()
        if slot is None:
            n_wanted, n_used = self._context.batch.n_rows, self._scheduler.cells.n_used
            raise InferenceError(
                f"llama.cpp found no room in its KV cache for {n_wanted:,} more tokens:"
                f" {n_used:,} of its {self._context.n_ctx:,} cells are in use."
                " A larger context has more of them"
            )
        self.forget([slot])

    def _put_in_order(self, chunks: list[Chunk]) -> bool:
        """Move steady sequences to where their next tokens will lie behind those they have. False
        where one got lost on the way, so that other chunks have to be scheduled.

        llama.cpp puts tokens into the first free cells, also into those before a running sequence
        that others have left. Its attention then adds up the same numbers in another order, which
        in 18 of 64 short greedy answers, four at a time, changed a word (measured, SmolLM2).
        """
        for _ in chunks:
            sequence = self._scheduler.misplaced(chunks)
            slot = sequence.slot if sequence is not None else None
            if sequence is None or slot is None:
                return True
            size = self._context.state_size(slot.index)
            if size > min(MOST_MOVED_BYTES, psutil.virtual_memory().available // 2):
                return True
            state = self._context.take_out(slot.index)
            if state is None:
                return True
            if not self._context.put_back(slot.index, state):
                self._context.forget(slot.index)
                self._scheduler.lost(sequence)
                self._scheduler.found_no_room()
                return False
            self._scheduler.moved(sequence)
        return True

    def _turn_keys(self, chunk: Chunk) -> bool:
        """Let llama.cpp turn the keys of shifted tokens, which it does in its next decode: a state
        that is taken out before then has them as they were, for other positions, and where an abort
        ends the turning, those of some layers are turned once more later. So a row of ``chunk`` is
        computed whole, and forgotten. False where other chunks have to be scheduled first."""
        context, slot = self._context, chunk.slot.index
        context.batch.clear()
        context.batch.add(chunk.tokens[:1], position=chunk.start, slot=slot, n_outputs=0)
        try:
            decoded = context.decode_whole()
        finally:
            context.forget(slot, chunk.start)
        if decoded is Decoded.NO_ROOM:
            self._make_room()
            return False
        self._has_shifted = False
        self._scheduler.passed(1)
        return True

    def _roll_back(self, chunks: list[Chunk]) -> None:
        self._forget_company(chunks)
        for chunk in chunks:
            if not self._context.forget(chunk.slot.index, chunk.start):
                # A recurrent model has no older state to go back to: compute it all again.
                self._context.forget(chunk.slot.index)
                self._scheduler.lost(chunk.sequence)

    def take_back(self, sequence: Sequence, n_tokens: int) -> None:
        """Forget the last ``n_tokens`` that were computed of a sequence; all of the cache where
        something in it is no number, before anyone builds on that or it is saved."""
        if self._context.is_spoilt:
            self._context.wipe()
            self._scheduler.lost_all()
            self.was_wiped = True
        slot = sequence.slot
        n_tokens = min(n_tokens, slot.n_held if slot is not None else 0)
        if slot is not None and n_tokens > 0:
            self._scheduler.reject(sequence, n_tokens)
            self._context.forget(slot.index, slot.n_held)

    def shift(self, sequence: Sequence) -> bool:
        """Make room in a full context by forgetting what is older; False where there is none to
        forget. The model must be one that can."""
        slot = sequence.slot
        if slot is None:
            return False
        keep = min(sequence.n_prompt, self._context.n_ctx // KEPT_SHARE)
        count = self._scheduler.shift(sequence, keep, can_move=self._can_turn)
        if slot.n_held == keep:
            self._context.forget(slot.index, keep)
        elif self._context.cut(slot.index, keep, count):
            self._has_shifted = True
        else:
            self._context.forget(slot.index)
            self._scheduler.lost(sequence)
        return True
