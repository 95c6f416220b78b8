"""What each sequence of the KV cache holds, and who may build on it. Pure Python: no ctypes.

The cache is one pool of cells (llama.cpp's unified KV cache). A *slot* is one of llama.cpp's
sequence numbers. The tokens of a finished request stay in its slot, so that a request that begins
alike (the next turn of a chat, a regenerated answer, another chat with the same system prompt)
computes only what is new. Two slots may share the cells of a common prefix; such a cell is free
again when the last of them lets go. The scheduler asks this table; the engine core carries out
what it answers.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence, Set

import msgspec

from minerva_desktop.engine.core.cells import CellMap
from minerva_desktop.engine.core.sequence import Chunk
from minerva_desktop.engine.core.slot import Growth, Slot, Variant, common_prefix, in_order
from minerva_desktop.engine.core.window_cells import WindowCells

# Tokens of a prefix for which it is shared: the system prompt that a template adds by itself has 25
# with SmolLM2. (16 questions of 67 tokens at once on two cores: the last has its first token after
# 3.7 to 4.0 s with this, and after 5.3 to 5.8 s with 32, **measured**.) Computing fewer takes no
# time that anyone notices, and a sequence whose cells lie in the order of its tokens is summed up
# in that order: llama.cpp's attention (f16 values) then rounds exactly as it does for a sequence
# that was never shared.
WORTH_SHARING = 16
CELLS_STEP = 256  # llama_kv_cache::get_n_kv


class Placement(msgspec.Struct, frozen=True):
    """A slot taken for a request, and what has to happen in the cache before it is used.

    The slot keeps its first ``n_kept`` tokens; then ``n_copied`` are shared from ``donor``.
    """

    slot: Slot
    n_kept: int
    donor: Slot | None = None
    n_copied: int = 0

    @property
    def n_reused(self) -> int:
        """Tokens that need not be computed."""
        return self.n_copied if self.donor is not None else self.n_kept


class SlotTable:
    """All slots of one context.

    ``cells`` are those of the layers that see everything. ``append_only``: the model cannot forget
    the end of a sequence exactly (sliding window, recurrent and hybrid models), so a slot's tokens
    are of use only to what begins with them all. ``n_movable``: sequences of up to so many tokens
    are moved to other cells where theirs lie in the wrong order. ``window``: the cells of those
    layers that have others, where these are known. ``knows_order``: it is known which sequences lie
    in the order of their tokens.
    """

    def __init__(
        self,
        *,
        n_slots: int,
        n_cells: int,
        append_only: bool = False,
        n_movable: int = 0,
        window: WindowCells | None = None,
        knows_order: bool = True,
    ) -> None:
        self._slots = [Slot(index) for index in range(n_slots)]
        self._n_cells = n_cells
        self._append_only = append_only
        self._n_movable = n_movable
        self.cells = CellMap(n_cells)
        self._window = window
        self.knows_order = knows_order
        self._busy_users: dict[int, int] = {}  # how many busy slots use each cell
        self._clock = itertools.count(1)

    @property
    def n_cells(self) -> int:
        """Cells of the cache."""
        return self._n_cells

    @property
    def n_spanned_cells(self) -> int:
        """Cells up to the last that holds something, in any layer."""
        return max(self.cells.n_spanned, self._window.n_spanned if self._window else 0)

    @property
    def n_free_cells(self) -> int:
        """Cells that hold nothing."""
        return self.cells.n_free

    @property
    def n_usable_cells(self) -> int:
        """Cells that no busy slot uses: the free ones, and those that idle slots could give up."""
        return self._n_cells - len(self._busy_users)

    @property
    def has_empty(self) -> bool:
        """Whether a slot is idle and holds nothing."""
        return any(not slot.busy and not slot.cells for slot in self._slots)

    @property
    def shares_running(self) -> bool:
        """Whether a request can build on one that goes on growing."""
        return not self._append_only

    def best_prefix(
        self,
        tokens: Sequence[int],
        variant: Variant = (),
        *,
        reuse: bool = True,
        siblings: int | None = None,
        steady: bool = False,
    ) -> tuple[Slot | None, int]:
        """The slot that holds the longest beginning of ``tokens``, and how long that is;
        ``steady``: as far as it was computed steadily. Without ``reuse`` only those count that are
        kept for ``siblings``.

        At least one token is always left to compute, because its logits are wanted.
        """
        best: tuple[Slot | None, int] = (None, 0)
        for slot in self._slots:
            if not (reuse or (slot.kept_for is not None and slot.kept_for == siblings)):
                continue
            # Of 32 that share a system prompt one is compared token by token.
            if slot.variant != variant or (slot.busy and not _begins_longer(slot, tokens, best[1])):
                continue
            length = self._usable(slot, tokens, steady)
            if length > best[1] or (length == best[1] > 0 and not slot.busy):
                best = (slot, length)
        return best

    def take(
        self,
        tokens: list[int],
        *,
        reuse: bool = True,
        siblings: int | None = None,
        variant: Variant = (),
        steady: bool = False,
    ) -> Placement:
        """Make an idle slot busy with ``tokens``, reusing as much as there is; ``steady``: only
        what was computed steadily, and can be moved or will have the new cells behind it.
        ``reuse`` and ``siblings`` as in `best_prefix`.

        Raises `LookupError` when none is idle. An idle slot is continued in place if all of it is
        of use, or if most of it is and the rest lies at the cache's end; else its prefix is shared.
        So as long as there are empty slots, no hole appears that a running sequence would fill out
        of order, and what another chat may still want stays there.
        """
        idle = [slot for slot in self._slots if not slot.busy]
        if not idle:
            raise LookupError("every slot is busy")
        donor, length = self.best_prefix(
            tokens, variant, reuse=reuse, siblings=siblings, steady=steady
        )
        slot = self._choose(idle, donor, length)
        if slot is not donor and length < WORTH_SHARING:
            donor, length = None, 0
        self._drop(slot, length if slot is donor else 0)
        fits = not steady or length <= self._n_movable
        if donor is not None and not fits and not self._goes_on_in_order(donor, length):
            donor, length = None, 0
            self._drop(slot, 0)
        if slot is donor or donor is None:
            placement = Placement(slot, length)
        else:
            placement = Placement(slot, 0, donor, length)
            self.cells.share(donor.cells[:length])
            slot.cells.extend(donor.cells[:length])
            slot.n_steady = min(donor.n_steady, length)
            if self._window is not None:
                self._window.share(donor, slot)
        slot.tokens, slot.busy, slot.variant = tokens, True, variant
        slot.is_ordered = not steady or in_order(slot.cells)
        self._count(self._busy_users, slot.cells)
        return placement

    def fill(self, slot: Slot, count: int, n_steady: int) -> None:
        """``count`` tokens of a busy slot, which was empty, were put into the cache as they had
        been taken out, in the order of their tokens. ``n_steady`` of them were computed steadily.
        """
        self._put(slot, list(range(count)), n_steady)
        if self._window is not None:
            self._window.put(slot, count)

    def extend_all(self, grown: Sequence[Growth], n_passing: int = 0) -> None:
        """Busy slots have grown by one batch; behind their tokens in it were ``n_passing`` that the
        cache has forgotten again."""
        n_tokens = n_passing
        for _, count, _ in grown:
            n_tokens += count
        cells = self.cells.take(n_tokens)
        out_of_order: Set[Slot] = frozenset()
        if self._window is not None:
            out_of_order = self._misplaced_in_window(grown, n_passing)
            self._window.take(grown, n_passing)
        start = 0
        for slot, count, is_steady in grown:
            own = cells[start : start + count]
            is_next = is_steady and slot.n_steady == slot.n_held and slot not in out_of_order
            if is_next and slot.is_ordered and in_order(slot.cells[-1:] + own):
                slot.n_steady += count
            slot.cells += own
            start += count
        self._busy_users.update(dict.fromkeys(cells[:start], 1))
        if n_passing:
            self.cells.let_go(cells[start:])

    def extend_each(self, chunks: Sequence[Chunk]) -> None:
        """The same for busy slots that have grown by one token each, which was not computed
        steadily."""
        if self._window is not None:
            self._window.take([(chunk.slot, 1, False) for chunk in chunks])
        users = self._busy_users
        cells = self.cells.take_row(len(chunks))
        for row, chunk in enumerate(chunks):
            chunk.slot.cells.append(cells[row])
            users[cells[row]] = 1

    def is_in_one_part(self, slot: Slot, n_parts: int) -> bool:
        """Whether all cells of a busy slot, with the next that is free for it, lie in one of
        ``n_parts`` equal parts of the cells that llama.cpp looks at (a multiple of `CELLS_STEP`):
        ggml gives one to each thread for a lone row (ops.cpp,
        ``ggml_compute_forward_flash_attn_ext_f16``, llama-cpp-python 0.3.36)."""
        last = self.cells.next_free
        if not slot.is_ordered or (slot.cells and slot.cells[-1] > last):
            return False
        n_looked_at = -(-max(self.cells.n_spanned, last + 1) // CELLS_STEP) * CELLS_STEP
        size = -(-min(n_looked_at, self._n_cells) // n_parts)
        first = slot.cells[0] if slot.cells else last
        return first // size == last // size

    def misplaced(self, grown: Sequence[Growth], n_passing: int = 0) -> list[Slot]:
        """Slots of which `extend_all` would not put the new tokens behind those that they hold, or
        which hold some out of order."""
        n_tokens = sum(count for _, count, _ in grown) + n_passing
        if n_tokens > self.cells.n_free:
            return []
        cells = iter(self.cells.next_cells(n_tokens))
        in_window = self._misplaced_in_window(grown, n_passing)
        out_of_order = []
        for slot, count, _ in grown:
            own = slot.cells[-1:] + list(itertools.islice(cells, count))
            if slot in in_window or not (slot.is_ordered and in_order(own)):
                out_of_order.append(slot)
        return out_of_order

    def move(self, slot: Slot) -> None:
        """All that a busy slot holds was taken out of the cache and put back, which gives it the
        first cells that are free, in the order in which it had them: not in that of its tokens, if
        these lay otherwise."""
        order = sorted(range(slot.n_held), key=slot.cells.__getitem__)
        self._let_go(self._busy_users, slot.cells)
        self.cells.let_go(slot.cells)
        slot.cells.clear()
        self._put(slot, order, slot.n_steady)
        if self._window is not None:
            self._window.move(slot)

    def shorten(self, slot: Slot, length: int) -> None:
        """A busy slot holds only its first ``length`` tokens from now on."""
        gone = slot.cells[length:]
        self._drop(slot, length)
        self._let_go(self._busy_users, gone)

    def is_shared(self, slot: Slot) -> bool:
        """Whether another slot holds some of this one's cells."""
        return any(self.cells.n_users(cell) > 1 for cell in slot.cells)

    def look_from_start(self) -> None:
        """llama.cpp has looked for free cells from the first one on, and taken none."""
        self.cells.look_from_start()
        if self._window is not None:
            self._window.look_from_start()

    def cut(self, slot: Slot, start: int, count: int) -> None:
        """Forget ``count`` tokens of a busy slot from ``start`` on; those behind move up."""
        gone = slot.cells[start : start + count]
        del slot.cells[start : start + count]
        slot.n_sound = min(slot.n_sound, start)
        slot.n_steady = min(slot.n_steady, start)
        self.cells.let_go(gone)
        self.cells.look_from_start()
        self._let_go(self._busy_users, gone)

    def release(self, slot: Slot) -> None:
        """Make a busy slot idle; what it holds stays for others to build on."""
        self._let_go(self._busy_users, slot.cells)
        slot.tokens = slot.tokens[: slot.n_held]
        slot.busy = False
        slot.used_at = next(self._clock)

    def kept(self) -> list[Slot]:
        """The idle slots that hold something, the one that was used longest ago first."""
        full = [slot for slot in self._slots if not slot.busy and slot.cells]
        return sorted(full, key=lambda slot: slot.used_at)

    def empty(self, slot: Slot) -> None:
        """Let an idle slot hold nothing."""
        self._drop(slot, 0)

    def empty_kept_for(self, siblings: int) -> list[Slot]:
        """Empty the idle slots that are kept for these alone."""
        found = [slot for slot in self.kept() if slot.kept_for == siblings]
        for slot in found:
            self.empty(slot)
        return found

    def evict(self) -> Slot | None:
        """Empty the idle slot that was used longest ago; None when all idle ones are empty."""
        kept = self.kept()
        if not kept:
            return None
        self.empty(kept[0])
        return kept[0]

    def _choose(self, idle: list[Slot], donor: Slot | None, length: int) -> Slot:
        """The slot for a request of which ``donor`` holds ``length`` tokens: that one, an empty
        one, or else the one that was used longest ago."""
        others = [slot for slot in idle if slot is not donor]
        other = min(others, key=lambda slot: (slot.n_held > 0, slot.used_at), default=None)
        if donor is None or donor.busy:
            return other or idle[0]
        n_behind = donor.n_held - length
        if other is None or not n_behind:
            return donor
        if length < n_behind:  # the rest is worth more
            return other
        is_end = donor.cells[length] == self.cells.n_spanned - n_behind
        return donor if is_end or other.n_held else other

    def _goes_on_in_order(self, slot: Slot, length: int) -> bool:
        """Whether the cells of a slot's first ``length`` tokens lie in their order, and the next
        one behind them."""
        cells = slot.cells[:length]
        if not cells:
            return True
        if not self.cells.n_free or self._misplaced_in_window([(slot, 1, True)]):
            return False
        return cells[-1] < self.cells.next_free and in_order(cells)

    def _misplaced_in_window(self, grown: Sequence[Growth], n_passing: int = 0) -> set[Slot]:
        if self._window is None or not any(is_steady for _, _, is_steady in grown):
            return set()
        return self._window.misplaced(grown, n_passing)

    def _put(self, slot: Slot, order: list[int], n_steady: int) -> None:
        """Let ``slot`` have the first free cells for its tokens, which come in this ``order``."""
        self.cells.look_from_start()
        cells = self.cells.take(len(order))
        slot.cells[:] = [cell for _, cell in sorted(zip(order, cells, strict=True))]
        slot.is_ordered = in_order(slot.cells)
        slot.n_steady = n_steady
        self._count(self._busy_users, slot.cells)

    def _usable(self, slot: Slot, tokens: Sequence[int], steady: bool) -> int:
        n_held = min(slot.n_held, slot.n_sound, slot.n_steady if steady else sys.maxsize)
        length = common_prefix(slot.tokens, tokens, min(n_held, len(tokens) - 1))
        return 0 if self._append_only and length < slot.n_held else length

    def _drop(self, slot: Slot, length: int) -> None:
        self.cells.let_go(slot.cells[length:])
        del slot.cells[length:]
        if self._window is not None:
            self._window.shorten(slot, length)
        slot.n_steady = min(slot.n_steady, length)
        if length <= slot.n_sound:
            slot.n_sound = sys.maxsize
        if not slot.busy:
            del slot.tokens[length:]

    def _count(self, users: dict[int, int], cells: list[int]) -> None:
        for cell in cells:
            users[cell] = users.get(cell, 0) + 1

    def _let_go(self, users: dict[int, int], cells: list[int]) -> None:
        for cell in cells:
            if users[cell] > 1:
                users[cell] -= 1
            else:
                del users[cell]


def _begins_longer(slot: Slot, tokens: Sequence[int], length: int) -> bool:
    """Whether ``slot`` might hold more than the first ``length`` of ``tokens``."""
    held = slot.tokens
    return min(len(held), len(tokens)) > length and held[length] == tokens[length]
