"""Which cells layers with a sliding window have, and which llama.cpp takes next. Pure Python.

Such layers look at a sequence's last tokens only, and llama.cpp gives them a cache of their own,
which may be smaller than that of the others. It takes what no token to come looks at for free, so
that it comes round to cells before those of a sequence that runs: then they no longer lie in the
order of its tokens. Why that matters says `cells`, which is about the other layers. This does what
`llama_kv_cache::find_slot`, `apply_ubatch` and `seq_rm` do for ``LLAMA_SWA_TYPE_STANDARD``
(llama.cpp of 0.3.36), with a batch in one piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from minerva_desktop.engine.core.slot import Growth, Slot


@dataclass(slots=True)
class _Held:
    """What a slot has here: ``cells`` for its tokens from position ``first`` on, without a gap. The
    last ``n_ordered`` of them, at least, lie in order."""

    first: int = 0
    cells: list[int] = field(default_factory=list)
    n_ordered: int = 0

    @property
    def end(self) -> int:
        """The position of the next token."""
        return self.first + len(self.cells)

    def append(self, cell: int) -> None:
        is_behind = bool(self.cells) and self.cells[-1] < cell
        self.n_ordered = self.n_ordered + 1 if is_behind else 1
        self.cells.append(cell)


class WindowCells:
    """The users of each cell, and where llama.cpp begins to look for one that it may take."""

    def __init__(self, n_cells: int, n_window: int) -> None:
        """``n_window``: so many tokens does each look at, itself among them."""
        self._n_cells = n_cells
        self._n_window = n_window
        self._held: dict[Slot, _Held] = {}
        self._users: dict[int, set[Slot]] = {}
        self._positions: dict[int, int] = {}
        self._head = 0
        self._end = 0

    @property
    def n_spanned(self) -> int:
        """Cells up to the last that holds something, or to the one before the next token's."""
        while self._end and self._end - 1 not in self._users:
            self._end -= 1
        return max([self._end, *self._find(1)])

    def misplaced(self, grown: Sequence[Growth], n_passing: int = 0) -> set[Slot]:
        """The slots of which `take` would not put the new tokens behind those that they hold, or of
        which the next token would look at some out of order. Without room it is not known."""
        n_tokens = _n_tokens(grown, n_passing)
        found = self._find(n_tokens)
        if len(found) < n_tokens:
            return set()
        cells = iter(found)
        out_of_order = set()
        for slot, count, _ in grown:
            held = self._held.get(slot, _Held())
            last = held.cells[-1] if held.cells else -1
            if held.n_ordered < min(len(held.cells), self._n_window - 1):
                out_of_order.add(slot)
            for cell in islice(cells, count):
                if cell < last:
                    out_of_order.add(slot)
                last = cell
        return out_of_order

    def take(self, grown: Sequence[Growth], n_passing: int = 0) -> None:
        """Slots have grown by one batch, with ``n_passing`` tokens at its end that the cache has
        forgotten again."""
        cells = self._find_all(_n_tokens(grown, n_passing))
        self._overwrite(cells)
        taken = iter(cells)
        for slot, count, _ in grown:
            self._append(slot, islice(taken, count))
        if cells:
            self._head = min([cells[-1] + 1, *taken])

    def share(self, donor: Slot, slot: Slot) -> None:
        """``slot``, which is empty, uses all that ``donor`` has."""
        held = self._held.get(donor, _Held())
        self._held[slot] = _Held(held.first, held.cells.copy(), held.n_ordered)
        for cell in held.cells:
            self._users[cell].add(slot)

    def shorten(self, slot: Slot, length: int) -> None:
        """A slot holds only its first ``length`` tokens from now on."""
        held = self._held.get(slot)
        if held is None:
            return
        n_left = max(0, length - held.first)
        gone = held.cells[n_left:]
        self._head = min([self._head, *self._let_go(slot, gone)])
        del held.cells[n_left:]
        held.n_ordered = max(held.n_ordered - len(gone), min(1, n_left))
        if not held.cells:
            del self._held[slot]

    def put(self, slot: Slot, n_tokens: int) -> None:
        """The state of ``n_tokens``, in their order, was put into a slot that was empty."""
        self._put(slot, n_tokens, range(min(n_tokens, self._n_window)))

    def move(self, slot: Slot) -> None:
        """The state of a slot was taken out and put back, in the order of its cells."""
        held = self._held.get(slot, _Held())
        n_tokens, seen = held.end, held.cells[-self._n_window :]
        self.shorten(slot, 0)
        self._put(slot, n_tokens, sorted(range(len(seen)), key=seen.__getitem__))

    def look_from_start(self) -> None:
        """As of `CellMap`."""
        self._head = 0

    def _put(self, slot: Slot, n_tokens: int, order: Sequence[int]) -> None:
        """A state has what the last token looked at; its cells come in this ``order``."""
        self.look_from_start()
        cells = self._find_all(len(order))
        self._overwrite(cells)
        self._held[slot] = _Held(first=n_tokens - len(order))
        self._append(slot, [cell for _, cell in sorted(zip(order, cells, strict=True))])
        self._head = max(cells, default=-1) + 1

    def _append(self, slot: Slot, cells: Iterable[int]) -> None:
        held = self._held.setdefault(slot, _Held())
        for cell in cells:
            self._users[cell] = {slot}
            self._positions[cell] = held.end
            held.append(cell)
            self._end = max(self._end, cell + 1)

    def _overwrite(self, cells: Sequence[int]) -> None:
        """Let go of what ``cells`` hold, and with it of all that came before it."""
        last: dict[Slot, int] = {}
        for cell in cells:
            for slot in self._users.get(cell, ()):
                last[slot] = max(last.get(slot, 0), self._positions[cell])
        for slot, position in last.items():
            held = self._held[slot]
            count = position + 1 - held.first
            self._let_go(slot, held.cells[:count])
            del held.cells[:count]
            held.first += count
            held.n_ordered = min(held.n_ordered, len(held.cells))

    def _let_go(self, slot: Slot, cells: Iterable[int]) -> list[int]:
        """Those of ``cells`` that nobody uses any more."""
        free = []
        for cell in cells:
            self._users[cell].remove(slot)
            if not self._users[cell]:
                del self._users[cell], self._positions[cell]
                free.append(cell)
        return free

    def _may_take(self, cell: int) -> bool:
        """Whether it is free, or no token to come of its only user looks at it."""
        users = self._users.get(cell, ())
        if len(users) != 1:
            return not users
        (slot,) = users
        return self._positions[cell] <= self._held[slot].end - self._n_window

    def _find_all(self, count: int) -> list[int]:
        """Those that llama.cpp has found. Should that be more than are here, what is known here is
        wrong, and forgotten: a last bit hangs on it, and no engine shall end for that."""
        cells = self._find(count)
        if len(cells) < count:
            self._held.clear()
            self._users.clear()
            self._positions.clear()
            self._head = self._end = 0
            cells = self._find(count)
        return cells

    def _find(self, count: int) -> list[int]:
        """The cells that the next ``count`` tokens get, as far as there is room for them."""
        cell = self._head
        if cell > len(self._users) + 2 * count:  # there must be holes before it
            cell = 0
        around = (index % self._n_cells for index in range(cell, cell + self._n_cells))
        return list(islice(filter(self._may_take, around), count))


def _n_tokens(grown: Sequence[Growth], n_passing: int) -> int:
    return sum(count for _, count, _ in grown) + n_passing
