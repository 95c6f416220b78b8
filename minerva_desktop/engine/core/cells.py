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
        self._n_cells = n_cells
        self._users: dict[int, int] = {}
        self._head = 0
        self._end = 0

    @property
    def n_used(self) -> int:
        """Cells that hold something."""
        return len(self._users)

    @property
    def n_free(self) -> int:
        """Cells that hold nothing."""
        return self._n_cells - len(self._users)

    @property
    def n_spanned(self) -> int:
        """Cells up to the last that holds something: each of llama.cpp's steps looks at all."""
        while self._end and self._end - 1 not in self._users:
            self._end -= 1
        return self._end

    @property
    def next_free(self) -> int:
        """The cell of the next token, if there is one."""
        return self._find(1)[0]

    def next_cells(self, count: int) -> list[int]:
        """What `take` would return."""
        return self._find(count)

    def n_users(self, cell: int) -> int:
        """How many sequences share ``cell``."""
        return self._users.get(cell, 0)

    def take(self, count: int) -> list[int]:
        """The cells of the next ``count`` tokens. Raises `ValueError` without so many."""
        cells = self._find(count)
        self._users.update(dict.fromkeys(cells, 1))
        if cells:
            self._head = cells[-1] + 1
            self._end = max(self._end, max(cells) + 1)
        return cells

    def take_row(self, count: int) -> Sequence[int]:
        """The same, and quicker where the next cells are free, one behind the other."""
        users, head = self._users, self._head
        end = head + count
        if end > self._n_cells or head > len(users) + 2 * count:
            return self.take(count)
        cells = range(head, end)
        for cell in cells:
            if cell in users:
                return self.take(count)
        for cell in cells:
            users[cell] = 1
        self._head = end
        self._end = max(self._end, end)
        return cells

    def share(self, cells: Iterable[int]) -> None:
        """One more sequence uses ``cells``, which are not free."""
        for cell in cells:
            self._users[cell] += 1

    def let_go(self, cells: Iterable[int]) -> None:
        """One sequence less uses ``cells``."""
        for cell in cells:
            if self._users[cell] > 1:
                self._users[cell] -= 1
            else:
                del self._users[cell]
                self._head = min(self._head, cell)

    def look_from_start(self) -> None:
        """llama.cpp has moved tokens to other positions; then it looks from the first cell on."""
        self._head = 0

    def _find(self, count: int) -> list[int]:
        n_free = self._n_cells - len(self._users)
        if count > n_free:
            raise ValueError(f"{count} cells of {n_free}")
        cell = self._head
        if cell > len(self._users) + 2 * count:  # there must be holes before it
            cell = 0
        cells: list[int] = []
        while len(cells) < count:
            if cell >= self._n_cells:
                cell = 0
            if cell not in self._users:
                cells.append(cell)
            cell += 1
        return cells
