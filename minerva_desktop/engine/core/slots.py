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
from collections.abc import Sequence
from dataclasses import dataclass, field

# Tokens of a prefix for which it is shared. Computing fewer takes no time that anyone notices, and
# a sequence whose cells lie in the order of its tokens is summed up in that order: llama.cpp's
# attention (f16 values) then rounds exactly as it does for a sequence that was never shared.
WORTH_SHARING = 32


# The scale of each adapter that changes the model's weights.
Variant = tuple[float, ...]


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence number. It holds ``tokens[: len(cells)]``, a cell of the cache for each.

    ``variant``: with which adapters they were computed; others have no use for them.
    """

    index: int
    tokens: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    busy: bool = False
    used_at: int = 0
    variant: Variant = ()

    @property
    def n_held(self) -> int:
        """Tokens in the cache."""
        return len(self.cells)


@dataclass(frozen=True, slots=True)
class Placement:
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

    ``append_only``: the model cannot forget the end of a sequence exactly (sliding window,
    recurrent and hybrid models), so a slot's tokens are of use only to what begins with them all.
    """

    def __init__(self, *, n_slots: int, n_cells: int, append_only: bool = False) -> None:
        self._slots = [Slot(index) for index in range(n_slots)]
        self._n_cells = n_cells
        self._append_only = append_only
        self._users: dict[int, int] = {}  # how many slots use each cell
        self._busy_users: dict[int, int] = {}  # how many of them are busy
        self._next_cell = itertools.count()
        self._peak = 0
        self._clock = itertools.count(1)

    @property
    def n_used_cells(self) -> int:
        """Cells that hold something."""
        return len(self._users)

    @property
    def n_peak_cells(self) -> int:
        """The most cells that held something since all were free: llama.cpp fills the first free
        one, and each step looks at all up to the last that holds anything."""
        return self._peak if self._users else 0

    @property
    def n_free_cells(self) -> int:
        """Cells that hold nothing."""
        return self._n_cells - len(self._users)

    @property
    def n_usable_cells(self) -> int:
        """Cells that no busy slot uses: the free ones, and those that idle slots could give up."""
        return self._n_cells - len(self._busy_users)

    @property
    def shares_running(self) -> bool:
        """Whether a request can build on one that goes on growing."""
        return not self._append_only

    def best_prefix(self, tokens: Sequence[int], variant: Variant = ()) -> tuple[Slot | None, int]:
        """The slot that holds the longest beginning of ``tokens``, and how long that is.

        At least one token is always left to compute, because its logits are wanted.
        """
        best: tuple[Slot | None, int] = (None, 0)
        for slot in self._slots:
            length = self._usable(slot, tokens) if slot.variant == variant else 0
            if length > best[1] or (length == best[1] > 0 and not slot.busy):
                best = (slot, length)
        return best

    def take(self, tokens: list[int], *, reuse: bool = True, variant: Variant = ()) -> Placement:
        """Make an idle slot busy with ``tokens``, reusing as much as there is.

        Raises `LookupError` when none is idle. An idle slot is trimmed in place if most of it is
        of use; else its prefix is shared, and what another chat may still want stays there.
        """
        idle = [slot for slot in self._slots if not slot.busy]
        if not idle:
            raise LookupError("every slot is busy")
        donor, length = self.best_prefix(tokens, variant) if reuse else (None, 0)
        in_place = donor is not None and not donor.busy and 2 * length >= donor.n_held
        # An empty slot, or else the one that was used longest ago.
        others = [slot for slot in idle if slot is not donor]
        if donor is not None and not donor.busy and not others:
            in_place = True
        if donor is not None and in_place:
            placement = Placement(donor, length)
            self._drop(donor, length)
        else:
            slot = min(others, key=lambda slot: (slot.n_held > 0, slot.used_at))
            if length < WORTH_SHARING:
                donor, length = None, 0
            self._drop(slot, 0)
            placement = Placement(slot, 0, donor, length)
            if donor is not None:
                self._hold(slot, donor.cells[:length])
        slot = placement.slot
        slot.tokens, slot.busy, slot.variant = tokens, True, variant
        self._count(self._busy_users, slot.cells)
        return placement

    def extend(self, slot: Slot, count: int) -> None:
        """``count`` more tokens of a busy slot were computed."""
        if not self._users:
            self._peak = 0
        # New cells have no users yet.
        for cell in itertools.islice(self._next_cell, count):
            slot.cells.append(cell)
            self._users[cell] = self._busy_users[cell] = 1
        self._peak = max(self._peak, len(self._users))

    def shorten(self, slot: Slot, length: int) -> None:
        """A busy slot holds only its first ``length`` tokens from now on."""
        gone = slot.cells[length:]
        self._drop(slot, length)
        self._let_go(self._busy_users, gone)

    def is_shared(self, slot: Slot) -> bool:
        """Whether another slot holds some of this one's cells."""
        return any(self._users[cell] > 1 for cell in slot.cells)

    def cut(self, slot: Slot, start: int, count: int) -> None:
        """Forget ``count`` tokens of a busy slot from ``start`` on; those behind move up."""
        gone = slot.cells[start : start + count]
        del slot.cells[start : start + count]
        self._let_go(self._users, gone)
        self._let_go(self._busy_users, gone)

    def release(self, slot: Slot) -> None:
        """Make a busy slot idle; what it holds stays for others to build on."""
        self._let_go(self._busy_users, slot.cells)
        slot.tokens = slot.tokens[: slot.n_held]
        slot.busy = False
        slot.used_at = next(self._clock)

    def evict(self) -> Slot | None:
        """Empty the idle slot that was used longest ago; None when all idle ones are empty."""
        full = [slot for slot in self._slots if not slot.busy and slot.cells]
        if not full:
            return None
        oldest = min(full, key=lambda slot: slot.used_at)
        self._drop(oldest, 0)
        return oldest

    def _usable(self, slot: Slot, tokens: Sequence[int]) -> int:
        length = common_prefix(slot.tokens, tokens, min(slot.n_held, len(tokens) - 1))
        return 0 if self._append_only and length < slot.n_held else length

    def _hold(self, slot: Slot, cells: list[int]) -> None:
        slot.cells.extend(cells)
        self._count(self._users, cells)

    def _drop(self, slot: Slot, length: int) -> None:
        self._let_go(self._users, slot.cells[length:])
        del slot.cells[length:]
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


def common_prefix(one: Sequence[int], other: Sequence[int], limit: int) -> int:
    """How many of the first ``limit`` tokens are equal. Bisection over slices, which compare in C:
    a prompt of 8,000 tokens takes microseconds."""
    low, high = 0, min(limit, len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return max(low, 0)
