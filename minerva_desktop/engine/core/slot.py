"""What a sequence number of the KV cache holds. Pure Python: no ctypes."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

# The scale of each adapter that changes the model's weights.
Variant = tuple[float, ...]


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence number. It holds ``tokens[: len(cells)]``, a cell of the cache for each.

    ``variant``: with which adapters they were computed; others have no use for them. ``n_sound``:
    how many tokens at most were computed with all before them and nothing else; what stands behind
    a cut was computed after text that is gone, and nobody can build on it. ``n_steady``: how many
    of the first tokens were computed as they always are, whatever ran beside them; who must not
    depend on that builds on these alone. ``is_ordered``: False where ``cells`` do not lie in the
    order of their tokens, though somebody wants that. ``kept_for``: as of `Sequence`.
    """

    index: int
    tokens: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    busy: bool = False
    used_at: int = 0
    variant: Variant = ()
    n_sound: int = sys.maxsize
    n_steady: int = 0
    is_ordered: bool = True
    kept_for: int | None = None

    @property
    def n_held(self) -> int:
        """Tokens in the cache."""
        return len(self.cells)

    @property
    def lies_in_order(self) -> bool:
        """Whether ``cells`` lie in the order of their tokens, whoever wants that."""
        return in_order(self.cells)

    @property
    def is_in_one_piece(self) -> bool:
        """Whether cells that lie in order have no others between them."""
        return not self.cells or self.cells[-1] - self.cells[0] == self.n_held - 1


# A slot, how many more of its tokens were computed, and whether steadily.
Growth = tuple[Slot, int, bool]


def in_order(cells: Sequence[int]) -> bool:
    """Whether each cell lies behind the one before it."""
    return all(one < later for one, later in itertools.pairwise(cells))


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
