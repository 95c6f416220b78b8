"""Which cells of llama.cpp's unified KV cache are in use, and which it takes next. Pure Python.

A cell holds one token for each sequence that shares it, and is free when the last of them lets go.
Where the next tokens go is up to llama.cpp. It is worth knowing, because its attention adds up a
sequence's cells in their order in the cache, and rounding depends on the order: a sequence whose
cells lie in the order of its tokens is computed the same each time, others are not. So this does
what `llama_kv_cache::find_slot` and `seq_rm` do (llama.cpp of 0.3.36). Nothing but the order hangs
on it: which cells a sequence really has, only llama.cpp knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class CellMap:
    """The users of each cell, and where llama.cpp begins to look for a free one."""

    def __init__(self, n_cells: int) -> None:
        self._is_used = bytearray(n_cells)  # 1 or 0; of 131,072 cells a free one is soon found
        self._n_used = 0
        self._others: dict[int, int] = {}  # how many sequences share a cell with its first one
        self._head = 0

    @property
    def n_used(self) -> int:
        """Cells that hold something."""
        return self._n_used

    @property
    def n_free(self) -> int:
        """Cells that hold nothing."""
        return len(self._is_used) - self._n_used

    @property
    def n_spanned(self) -> int:
        """Cells up to the last that holds something: each of llama.cpp's steps looks at all."""
        return self._is_used.rfind(1) + 1

    @property
    def next_free(self) -> int:
        """The cell of the next token, if there is one."""
        return self._find(1)[0]

    def next_cells(self, count: int) -> list[int]:
        """What `take` would return."""
        return self._find(count)

    def n_users(self, cell: int) -> int:
        """How many sequences share ``cell``."""
        return self._is_used[cell] + self._others.get(cell, 0)

    def take(self, count: int) -> list[int]:
        """The cells of the next ``count`` tokens. Raises `ValueError` without so many."""
        cells = self._find(count)
        for cell in cells:
            self._is_used[cell] = 1
        if cells:
            self._n_used += count
            self._head = cells[-1] + 1
        return cells

    def take_row(self, count: int) -> Sequence[int]:
        """The same, and quicker where the next cells are free, one behind the other."""
        head = self._head
        end = head + count
        is_row = end <= len(self._is_used) and self._is_used.find(1, head, end) < 0
        if not is_row or self._has_holes(count):
            return self.take(count)
        self._is_used[head:end] = bytes([1]) * count
        self._n_used += count
        self._head = end
        return range(head, end)

    def share(self, cells: Iterable[int]) -> None:
        """One more sequence uses ``cells``. Raises `ValueError` where one is free."""
        for cell in cells:
            if not self._is_used[cell]:
                raise ValueError(f"cell {cell}, which is to be shared, is free")
            self._others[cell] = self._others.get(cell, 0) + 1

    def let_go(self, cells: Iterable[int]) -> None:
        """One sequence less uses ``cells``. Raises `ValueError` where none does."""
        for cell in cells:
            n_others = self._others.get(cell, 0)
            if n_others > 1:
                self._others[cell] = n_others - 1
            elif n_others:
                del self._others[cell]
            elif not self._is_used[cell]:
                raise ValueError(f"cell {cell}, of which one lets go, is free")
            else:
                self._is_used[cell] = 0
                self._n_used -= 1
                self._head = min(self._head, cell)

    def look_from_start(self) -> None:
        """llama.cpp has moved tokens to other positions; then it looks from the first cell on."""
        self._head = 0

    def _has_holes(self, count: int) -> bool:
        """Whether llama.cpp looks for ``count`` cells from the first one on: there must be free
        ones before its head."""
        return self._head > self._n_used + 2 * count

    def _find(self, count: int) -> list[int]:
        if count > self.n_free:
            raise ValueError(f"{count} cells of {self.n_free}")
        cell = 0 if self._has_holes(count) else self._head
        cells: list[int] = []
        while len(cells) < count:
            cell = self._is_used.find(0, cell)
            if cell >= 0:
                cells.append(cell)
            cell += 1  # behind the last one: from the first on
        return cells
