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


@given(st.lists(st.tuples(st.integers(1, 9), st.sets(st.integers(0, 29)))))
def test_a_row_gets_the_cells_that_any_tokens_get(steps: list[tuple[int, set[int]]]) -> None:
    usual, row = CellMap(30), CellMap(30)
    for count, gone in steps:
        if count <= usual.n_free:
            assert list(row.take_row(count)) == usual.take(count)
        for cells in (usual, row):
            cells.let_go([cell for cell in gone if cells.n_users(cell)])
        assert (row.n_used, row.n_spanned) == (usual.n_used, usual.n_spanned)
