"""Where llama.cpp puts tokens for layers with a sliding window. That it does so with a real model,
`test_steadiness` shows: there a wrong guess changes the last bits."""

from __future__ import annotations

from minerva_desktop.engine.core.slot import Slot
from minerva_desktop.engine.core.window_cells import WindowCells


def _slots(count: int) -> list[Slot]:
    return [Slot(index) for index in range(count)]


def test_it_comes_round_to_cells_that_nobody_looks_at_any_more() -> None:
    cells = WindowCells(12, n_window=4)
    (slot,) = _slots(1)
    cells.take([(slot, 10, True)])
    assert cells.misplaced([(slot, 2, True)]) == set()
    assert cells.misplaced([(slot, 3, True)]) == {slot}
    assert cells.misplaced([(slot, 2, True)], n_passing=1) == set()
    cells.move(slot)  # only what is looked at is put back
    assert cells.n_spanned == 4
    assert cells.misplaced([(slot, 8, True)]) == set()
    assert cells.misplaced([(slot, 9, True)]) == {slot}


def test_what_lies_out_of_order_does_so_until_no_token_looks_at_it() -> None:
    cells = WindowCells(12, n_window=4)
    first, second = _slots(2)
    cells.take([(first, 10, True)])
    assert cells.misplaced([(second, 3, True)]) == {second}
    cells.take([(second, 3, True)])  # 10, 11 and 0
    assert cells.misplaced([(second, 1, True)]) == {second}
    cells.take([(second, 1, True)])
    assert cells.misplaced([(second, 1, True)]) == {second}
    cells.take([(second, 1, True)])
    assert cells.misplaced([(second, 1, True)]) == set()


def test_a_token_that_is_forgotten_gives_its_cell_back() -> None:
    cells = WindowCells(12, n_window=4)
    first, second = _slots(2)
    cells.take([(first, 3, True), (second, 3, True)])
    cells.take([(first, 1, True)], n_passing=1)
    assert cells.n_spanned == 7
    cells.shorten(first, 3)
    assert cells.n_spanned == 6
    cells.shorten(first, 0)
    assert cells.misplaced([(second, 1, True)]) == {second}


def test_shared_cells_are_not_taken_though_nobody_looks_at_them() -> None:
    cells = WindowCells(12, n_window=4)
    first, second = _slots(2)
    cells.take([(first, 8, True)])
    cells.share(first, second)
    cells.take([(first, 2, True), (second, 2, True)])
    assert cells.misplaced([(first, 0, True), (second, 0, True)]) == set()
    assert cells.misplaced([(first, 1, True)]) == set()
    cells.shorten(second, 0)  # the four that only the first has, and no token looks at
    cells.take([(first, 6, True)])
    assert cells.n_spanned == 12


def test_where_llama_cpp_finds_more_room_nothing_is_known_any_more() -> None:
    cells = WindowCells(12, n_window=4)
    first, second, third = _slots(3)
    cells.take([(first, 8, True)])
    cells.share(first, second)
    cells.take([(first, 2, True), (second, 2, True)])
    cells.take([(third, 2, True)])
    assert cells.n_spanned == 2
    cells.share(first, third)
    cells.move(first)
    cells.shorten(second, 3)
    cells.take([(first, 3, True), (second, 1, True)])
    assert cells.n_spanned == 6


def test_a_state_is_put_into_the_first_cells_that_may_be_taken() -> None:
    cells = WindowCells(12, n_window=4)
    first, second = _slots(2)
    cells.take([(first, 10, True)])
    cells.put(second, 100)  # over the first four of those
    assert cells.n_spanned == 10
    assert cells.misplaced([(second, 2, True)]) == set()  # 4 and 5, which nobody looks at
    assert cells.misplaced([(first, 1, True)]) == {first}
