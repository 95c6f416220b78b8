"""Where llama.cpp puts the next tokens, as far as the slots need to know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.core.cells import CellMap


def test_tokens_go_behind_each_other() -> None:
    cells = CellMap(10)
    assert cells.take(3) == [0, 1, 2]
    assert cells.take(2) == [3, 4]
    assert (cells.n_used, cells.n_free, cells.n_spanned) == (5, 5, 5)


def test_a_hole_is_filled_before_the_end_is() -> None:
    cells = CellMap(10)
    cells.take(6)
    cells.let_go([1, 2])
    assert cells.next_free == 1
    assert cells.take(4) == [1, 2, 6, 7]
    cells.let_go([6, 7])
    assert cells.n_spanned == 6


def test_a_shared_cell_is_free_when_the_last_lets_go() -> None:
    cells = CellMap(4)
    (cell,) = cells.take(1)
    cells.share([cell])
    cells.let_go([cell])
    assert cells.next_free == 1
    cells.let_go([cell])
    assert (cells.next_free, cells.n_spanned) == (0, 0)


def test_of_a_free_cell_nothing_is_shared_nor_let_go() -> None:
    """Whoever does it has lost count: what llama.cpp holds is no longer known."""
    cells = CellMap(4)
    cells.take(2)
    with pytest.raises(ValueError, match="cell 2, which is to be shared, is free"):
        cells.share([1, 2])
    cells.let_go([1])  # that one was shared
    cells.let_go([1])
    with pytest.raises(ValueError, match="cell 1, of which one lets go, is free"):
        cells.let_go([1])
    assert (cells.n_used, cells.n_free) == (1, 3)


def test_the_search_goes_on_at_the_start() -> None:
    cells = CellMap(6)
    cells.take(6)
    cells.let_go([0, 1])
    assert cells.take(2) == [0, 1]
    with pytest.raises(ValueError, match="1 cells of 0"):
        cells.take(1)


def test_much_emptiness_before_the_head_is_looked_through_first() -> None:
    cells = CellMap(100)
    cells.take(50)
    cells.let_go(range(10, 40))
    cells.take(30)  # fills them, and then moves on
    cells.take(10)
    cells.let_go(range(60))
    cells.look_from_start()
    assert cells.next_free == 0


class PlainCells:
    """What llama.cpp does, one cell after the other."""

    def __init__(self, n_cells: int) -> None:
        self.users = [0] * n_cells
        self.head = 0

    @property
    def n_used(self) -> int:
        return sum(map(bool, self.users))

    @property
    def n_spanned(self) -> int:
        return max((cell + 1 for cell, users in enumerate(self.users) if users), default=0)

    def take(self, count: int) -> list[int]:
        start = 0 if self.head > self.n_used + 2 * count else self.head
        order = [*range(start, len(self.users)), *range(min(start, len(self.users)))]
        cells = [cell for cell in order if not self.users[cell]][:count]
        for cell in cells:
            self.users[cell] = 1
        self.head = cells[-1] + 1
        return cells

    def let_go(self, cell: int) -> None:
        self.users[cell] -= 1
        if not self.users[cell]:
            self.head = min(self.head, cell)


_CELLS = st.sets(st.integers(0, 29))


@given(st.lists(st.tuples(st.integers(1, 9), _CELLS, _CELLS, st.booleans())))
def test_cells_are_those_of_a_search_one_by_one(
    steps: list[tuple[int, set[int], set[int], bool]],
) -> None:
    plain, usual, row = PlainCells(30), CellMap(30), CellMap(30)
    for count, shared, gone, moved in steps:
        if count <= usual.n_free:
            expected = plain.take(count)
            assert usual.next_cells(count) == expected
            assert usual.take(count) == expected
            assert list(row.take_row(count)) == expected
        used = [cell for cell in range(30) if plain.users[cell]]
        for cell in shared.intersection(used):
            plain.users[cell] += 1
        for cell in gone.intersection(used):
            plain.let_go(cell)
        if moved:
            plain.head = 0
        for cells in (usual, row):
            cells.share(shared.intersection(used))
            cells.let_go(gone.intersection(used))
            if moved:
                cells.look_from_start()
            assert [cells.n_users(cell) for cell in range(30)] == plain.users
            assert (cells.n_used, cells.n_free) == (plain.n_used, 30 - plain.n_used)
            assert cells.n_spanned == plain.n_spanned
