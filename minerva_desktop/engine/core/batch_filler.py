"""Fills one step with the tokens of running sequences, and shares them out to decodes.

Pure Python: no ctypes, no clock, no I/O. For `Scheduler`.

DESIGN 5 has prompts read oldest first. Here the shortest is first, with the oldest before it every
second time that it was left out: a question of 20 tokens need not wait for the 4,000 before it, and
these go on all the same (`BatchFiller._prompt_chunks`).

On a CPU what a prompt is cut into depends on nothing but the prompt, unless its answer is a random
one or it was given up before (`retries`), and each chunk is computed by itself: llama.cpp's
attention rounds 64 rows and more otherwise than fewer, so that an answer would depend on whose
prompts happened to be in the same batch. (16 questions to SmolLM2, greedy, alone and eight at once:
9 answers differed with mixed batches, 1 with these.) For the same reason many sequences that decode
are shared out to several decodes, where one of them must be steady.

In a decode of fewer rows each is computed as among any others, so that there steady prompts may
share one, with what decodes too, and it does not matter where they are cut: their logits are equal
to the last bit (**measured**, SmolLM2, 6 prompts of 67 tokens, cut and mixed in 7 random ways).
"""

from __future__ import annotations

import msgspec

from minerva_desktop.engine.core.retries import RETRY_ROWS
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slot import Slot
from minerva_desktop.engine.core.slots import SlotTable

STEADY_ROWS = 63  # ggml takes tiles from 64 rows on (GGML_FA_TILE_Q)
STEADY_GREEDY = 256  # tokens
LONE_CELLS = 256  # llama.cpp rounds up to a multiple of 256, and 512 are shared out to the threads
WORTH_JOINING = 31  # rows for prompts beside those that decode
WORTH_MAKING_WAY = 16  # tokens of an answer
# Of long prompts in a step, while others wait for their next token: 512 kept them waiting for 3 to
# 5 s of two cores (**measured**, SmolLM2), and are read hardly quicker than four times as many.
ROWS_BESIDE = 128


class SteadyRows(msgspec.Struct, frozen=True):
    """How many rows that decode ggml computes as it computes each alone, with its company.

    At most ``most`` are in one decode, and a lone row needs no company in up to ``lone_cells``
    cells of the cache. Which of its kernels multiply depends on the model's number formats.
    ``greedy_tokens``: up to how many tokens a greedy answer without a seed is kept steady.
    """

    most: int = STEADY_ROWS
    lone_cells: int = LONE_CELLS
    greedy_tokens: int = STEADY_GREEDY


ANY_FORMAT = SteadyRows()


class Filled(msgspec.Struct):
    """What a step is to compute: ``n_cells`` tokens in all. ``leaves_out_oldest``: there was no
    room for the oldest prompt."""

    decoding: list[Chunk]
    prompts: list[Chunk]
    n_cells: int
    leaves_out_oldest: bool


class BatchFiller:
    """What the next step computes of the sequences that may be in it."""

    def __init__(
        self,
        slots: SlotTable,
        *,
        n_batch: int,
        n_outputs: int,
        prompts_apart: bool,
        keeps_company: bool,
        steady_rows: SteadyRows,
    ) -> None:
        """As in `Scheduler`. ``lone_threads``: to how many threads ggml shares out the cells of a
        lone row; None where it is not known how."""
        self._slots = slots
        self._n_batch = n_batch
        self._n_outputs = n_outputs
        self._prompts_apart = prompts_apart
        self.keeps_company = keeps_company and n_batch > 1  # a lone row may get another
        self._steady_rows = steady_rows
        self._shared_rows = min(STEADY_ROWS, n_batch)
        # A lone row is multiplied otherwise than one among others wherever its cells are, so that
        # this holds for one that alone has logits.
        self.pairs_outputs = self.keeps_company and not steady_rows.lone_cells
        self._oldest_first = False
        self.lone_threads: int | None = None

    def fill(self, sequences: list[Sequence], *, others_wait: bool = False) -> Filled:
        """One token for each of ``sequences`` (oldest first) that decodes, with its guesses, and
        then prompts. ``others_wait`` for a token, too, and cannot be in this step."""
        decoding: list[Sequence] = []
        prompts: list[Sequence] = []
        n_rows = 0
        for sequence in sequences:
            if sequence.is_prompt:
                prompts.append(sequence)
            else:
                if sequence.drafts and sequence.is_steady and self._prompts_apart:
                    del sequence.drafts[self._steady_rows.most - 1 :]
                decoding.append(sequence)
                n_rows += 1 + len(sequence.drafts)
        # In a batch that prompts share, one row at least is theirs.
        if n_rows > self._n_batch - (1 if prompts and not self._prompts_apart else 0):
            n_rows = len(decoding)
            for sequence in decoding:
                sequence.drafts.clear()
        chunks = [
            Chunk(s, s.slot, len(s.slot.cells), 1 + len(s.drafts), len(s.drafts), s.is_steady)
            for s in decoding
            if s.slot is not None
        ]
        # llama.cpp computes sequences of states alone (Mamba) together only as far as their numbers
        # follow each other: 4 of them have 0.47 to 0.71 of this speed in other orders
        # (**measured**, 52 M parameters in f32, 12 pairs).
        chunks.sort(key=lambda chunk: chunk.slot.index)
        if not prompts:
            return Filled(chunks, [], n_rows, False)
        prompt_chunks = self._prompt_chunks(
            prompts, chunks, n_rows, others_wait=others_wait or bool(chunks)
        )
        n_cells = n_rows + sum(chunk.count for chunk in prompt_chunks)
        leaves_out_oldest = all(chunk.sequence is not prompts[0] for chunk in prompt_chunks)
        return Filled(chunks, prompt_chunks, n_cells, leaves_out_oldest)

    def share_out(self, filled: Filled) -> list[list[Chunk]]:
        """The decodes of a step that computes ``filled``."""
        self._oldest_first = filled.leaves_out_oldest
        if not self._prompts_apart:  # but for those that use up the rows of logits
            scoring = [[chunk] for chunk in filled.prompts if chunk.sequence.is_scoring]
            others = [chunk for chunk in filled.prompts if not chunk.sequence.is_scoring]
            together = filled.decoding + others
            return [together, *scoring] if together else scoring
        groups = _steady_groups(filled.decoding, self._steady_rows.most)
        if not filled.prompts:
            return groups
        room, shared = self._room_beside(groups), groups[-1] if groups else []
        for chunk in filled.prompts:
            if not self._may_share(chunk.sequence):
                groups.append([chunk])
            elif chunk.count <= room:
                shared.append(chunk)
                room -= chunk.count
            else:
                shared, room = [chunk], self._shared_rows - chunk.count
                groups.append(shared)
        return groups

    def _may_share(self, sequence: Sequence) -> bool:
        """Whether chunks of a prompt may be in a decode with others, though prompts are apart:
        where its cells lie in order, in whatever steps they are filled."""
        return (
            sequence.is_steady
            and not sequence.is_scoring
            and self.keeps_company
            and self.lone_threads is not None
            and self._steady_rows.most >= STEADY_ROWS
        )

    def _room_beside(self, groups: list[list[Chunk]]) -> int:
        """Rows of prompts that the last decode of ``groups`` takes: none where there is room for
        few, lest a prompt needs too many steps."""
        if not groups:
            return 0
        room = self._shared_rows - sum(chunk.count for chunk in groups[-1])
        return room if room >= WORTH_JOINING else 0

    def lone_rows(self, groups: list[list[Chunk]]) -> list[Chunk]:
        """Those in ``groups`` that ggml would share out to its threads, so that each needs another
        row to be computed with."""
        if not self.keeps_company:
            return []
        firsts = [group[0] for group in groups if len(group) == 1 and group[0].count == 1]
        steady = [chunk for chunk in firsts if chunk.is_steady]
        if not steady or self._slots.n_spanned_cells + 1 <= self._steady_rows.lone_cells:
            return []
        # The first group's next cell is known.
        if steady[0] is groups[0][0] and self._is_whole(steady[0].slot):
            return steady[1:]
        return steady

    def gains_alone(self, sequence: Sequence) -> bool:
        """Whether ``sequence``, by itself in an empty cache, would need no company and fewer cells
        to look at than there are in use, for so many tokens that it is worth emptying it."""
        n_tokens, n_end = len(sequence.tokens), sequence.steady_until
        if sequence.max_tokens is not None:
            n_end = min(n_end, n_tokens + sequence.max_tokens - sequence.n_sampled)
        most = self._steady_rows.lone_cells
        return (
            self.keeps_company
            and self.lone_threads is not None
            and n_tokens + WORTH_MAKING_WAY <= n_end <= most
            and self._slots.n_spanned_cells + n_end > most
        )

    def _is_whole(self, slot: Slot) -> bool:
        """Whether one thread alone would have the cells of a lone row: nothing is added to what it
        sums up, so that it rounds as among others. (SmolLM2, greedy, beside 12 kept chats: 61
        tokens a second where each had company, 91 with this, **measured**.)"""
        if self.lone_threads is None or not self._steady_rows.lone_cells:
            return False
        return self._slots.is_in_one_part(slot, self.lone_threads)

    def _prompt_chunks(
        self, prompts: list[Sequence], decoding: list[Chunk], n_decoding: int, *, others_wait: bool
    ) -> list[Chunk]:
        """As many chunks as make ``n_batch`` tokens: the shortest first, so that a short prompt
        never waits for a long one, but before them the oldest if there was no room for it in the
        last step, so that it is not overtaken for ever.

        Apart, a chunk is there in full or not at all, lest other prompts decide how it is cut; a
        small last one may be a little more than there is room for, and small ones that share
        decodes may be more, too (`_shared_pieces`). While ``others_wait`` for a token, all long
        ones (`_is_long`) have `ROWS_BESIDE` rows. With the ``n_decoding`` rows of ``decoding`` in
        the same batch, they share what is left.
        """
        n_first = 1 if self._oldest_first else 0
        rest = sorted(prompts[n_first:], key=lambda s: len(s.tokens) - s.n_computed)
        apart = self._prompts_apart
        budget = self._n_batch if apart else self._n_batch - n_decoding
        room = self._room_beside(_steady_groups(decoding, self._steady_rows.most)) if apart else 0
        long_room = ROWS_BESIDE
        chunks = []
        for sequence in prompts[:n_first] + rest:
            if sequence.slot is None:
                continue
            start = sequence.n_computed
            n_left = len(sequence.tokens) - start
            is_long = others_wait and self._is_long(sequence, n_left)
            if is_long and long_room < STEADY_ROWS:
                continue
            if apart and self._may_share(sequence):
                by_and_by = is_long or len(prompts) == 1
                pieces, room = self._shared_pieces(n_left, room, budget, by_and_by=by_and_by)
            else:
                pieces = self._own_piece(sequence, long_room if is_long else n_left, budget)
            long_room -= sum(pieces) if is_long else 0
            for count in pieces:
                chunks.append(Chunk(sequence, sequence.slot, start, count, 0, sequence.is_steady))
                start += count
                budget -= count
        return chunks

    def _is_long(self, sequence: Sequence, n_left: int) -> bool:
        """Whether a prompt, of which ``n_left`` tokens are to be computed, should be read by and by
        while others wait, and may be without another answer."""
        if not self._prompts_apart:
            return False
        if sequence.is_random:
            return n_left > ROWS_BESIDE
        return len(sequence.tokens) > self._n_batch and self._may_share(sequence)

    def _own_piece(self, sequence: Sequence, count: int, budget: int) -> list[int]:
        """How many of the next ``count`` tokens of a prompt are to be computed, if any."""
        apart = self._prompts_apart
        if apart and sequence.is_steady:
            count = _equal_piece(count, STEADY_ROWS)
        count = min(count, self._n_batch if apart else budget)
        if sequence.is_scoring:
            count = min(count, self._n_outputs)
        if sequence.is_retry:
            count = min(count, RETRY_ROWS)
        if sequence.pause_at > sequence.n_computed:
            count = min(count, sequence.pause_at - sequence.n_computed)
        # A step of its own for it would keep all who decode waiting once more.
        squeezes_in = apart and budget > 0 and count <= self._n_batch // 8
        return [count] if count > 0 and (count <= budget or squeezes_in) else []

    def _shared_pieces(
        self, n_left: int, room: int, budget: int, *, by_and_by: bool
    ) -> tuple[list[int], int]:
        """How many tokens of a prompt that has ``n_left`` are in each of the next decodes, of which
        the first has ``room`` for so many; and the room that the last has for others.

        Small prompts that come together are read in one step, though it gets longer by up to
        ``n_batch``: with a step for those that are left over, all whose answers have begun would
        wait twice. For one that has more left than that, none gets longer. And ``by_and_by``: one
        that comes alone, or is long, has a piece in each step, beside the others.
        """
        pieces: list[int] = []
        least = -self._n_batch if n_left <= self._n_batch else 0
        while n_left and budget > least:
            room = room if room >= (WORTH_JOINING if by_and_by else 2) else self._shared_rows
            count = _equal_piece(n_left, room) if by_and_by else min(n_left, room)
            if n_left == count + 1 and count > 2:
                count -= 1  # the row that is left over would need company
            if count > max(budget, self._n_batch // 8):
                break
            pieces.append(count)
            n_left -= count
            room -= count
            budget -= count
            if by_and_by:
                break
        return pieces, room


def _equal_piece(count: int, most: int) -> int:
    """The first of as few pieces as there can be of at most ``most`` rows, about equally large: a
    decode of few rows is a slow one."""
    return -(-count // -(-count // most))


def _steady_groups(chunks: list[Chunk], most_rows: int) -> list[list[Chunk]]:
    """``chunks`` of sequences that decode, in as few decodes as steadiness lets them be: one for
    all, or several for the steady ones, filled up with others, and one for what is left of these.
    Those that are all steady are about equally large: a row that is left over would need company.
    """
    if len(chunks) < 2:
        return [chunks] if chunks else []
    steady = [chunk for chunk in chunks if chunk.is_steady]
    n_rows = sum(chunk.count for chunk in chunks)
    if not steady or n_rows <= most_rows:
        return [chunks]
    others = [chunk for chunk in chunks if not chunk.is_steady]
    most = most_rows if others else -(-n_rows // -(-n_rows // most_rows))
    groups: list[list[Chunk]] = []
    room = 0
    for chunk in steady:
        if chunk.count > room:
            groups.append([])
            room = max(most, chunk.count)
        groups[-1].append(chunk)
        room -= chunk.count
    while others and others[0].count <= room:
        room -= others[0].count
        groups[-1].append(others.pop(0))
    return [*groups, others] if others else groups
