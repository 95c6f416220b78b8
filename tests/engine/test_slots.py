"""What is left in the cache, and who may build on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.core.slot import Slot, common_prefix
from minerva_desktop.engine.core.slots import SlotTable

CHAT = list(range(100))
SYSTEM = CHAT[:60]


def _table(*, n_slots: int = 3, append_only: bool = False) -> SlotTable:
    return SlotTable(n_slots=n_slots, n_cells=1000, append_only=append_only)


def _finished(table: SlotTable, tokens: list[int], *, is_steady: bool = True) -> int:
    """Compute ``tokens`` in a slot and leave it; the slot's number."""
    placement = table.take(list(tokens))
    _grow(table, placement.slot, len(tokens) - placement.n_reused, is_steady=is_steady)
    table.release(placement.slot)
    return placement.slot.index


def _grow(table: SlotTable, slot: Slot, count: int, *, is_steady: bool = False) -> None:
    table.extend_all([(slot, count, is_steady)])


def test_the_next_turn_of_a_chat_takes_the_chats_slot_and_all_it_holds() -> None:
    table = _table()
    slot = _finished(table, CHAT)
    placement = table.take([*CHAT, 7, 8])
    assert (placement.slot.index, placement.n_kept, placement.donor) == (slot, 100, None)


def test_one_token_is_always_left_to_compute() -> None:
    table = _table()
    _finished(table, CHAT)
    assert table.take(list(CHAT)).n_reused == 99


def test_an_edit_near_the_end_trims_the_slot_in_place() -> None:
    table = _table()
    slot = _finished(table, CHAT)
    placement = table.take([*CHAT[:80], 7, 8, 9])
    assert (placement.slot.index, placement.n_kept) == (slot, 80)
    assert placement.slot.n_held == 80


def test_another_chat_shares_the_system_prompt_and_leaves_the_first_one_whole() -> None:
    table = _table()
    slot = _finished(table, [*SYSTEM, *range(500, 700)])
    placement = table.take([*SYSTEM, 1, 2])
    assert placement.donor is not None
    assert (placement.donor.index, placement.n_copied, placement.n_reused) == (slot, 60, 60)
    assert placement.slot.index != slot
    assert table.n_free_cells == 1000 - 260  # shared cells count once
    assert table.best_prefix([*SYSTEM, *range(500, 700), 1])[1] == 260


@pytest.mark.parametrize(("n_common", "n_shared"), [(25, 25), (8, 0)])
def test_a_templates_own_short_system_prompt_is_shared_too(n_common: int, n_shared: int) -> None:
    table = _table()
    _finished(table, CHAT)
    assert table.take([*CHAT[:n_common], *range(500, 540)]).n_reused == n_shared


def test_shared_cells_are_free_when_the_last_one_lets_go() -> None:
    table = _table()
    _finished(table, [*SYSTEM, *range(500, 700)])
    placement = table.take([*SYSTEM, 1, 2])
    _grow(table, placement.slot, 2)
    assert table.is_shared(placement.slot)
    table.evict()
    assert table.n_free_cells == 1000 - 62
    table.release(placement.slot)
    table.evict()
    assert table.n_free_cells == 1000


def test_a_running_request_is_built_on_too() -> None:
    table = _table()
    first = table.take([*SYSTEM, 1])
    _grow(table, first.slot, 61)
    second = table.take([*SYSTEM, 2])
    assert (second.donor, second.n_copied) == (first.slot, 60)
    assert table.n_usable_cells == 1000 - 61


def test_the_slot_that_was_used_longest_ago_is_given_up_first() -> None:
    table = _table()
    slots = [_finished(table, list(range(start, start + 50))) for start in (1000, 2000, 3000)]
    assert sorted(slots) == [0, 1, 2]
    assert table.take([1, 2, 3]).slot.index == slots[0]
    evicted = table.evict()
    assert evicted is not None
    assert evicted.index == slots[1]


@pytest.mark.parametrize(("n_begun", "n_reused"), [(100, 100), (99, 0), (60, 0)])
def test_a_model_that_cannot_roll_back_goes_on_only_from_the_very_end(
    n_begun: int, n_reused: int
) -> None:
    table = _table(append_only=True)
    _finished(table, CHAT)
    assert table.take([*CHAT[:n_begun], 7, 8]).n_reused == n_reused


def test_with_every_slot_busy_there_is_none_to_take() -> None:
    table = _table(n_slots=1)
    table.take([1, 2])
    with pytest.raises(LookupError):
        table.take([3])


def test_common_prefix() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4], 3) == 2
    assert common_prefix([1, 2, 3], [1, 2, 3], 2) == 2
    assert common_prefix([], [1], 1) == 0
    assert common_prefix([1], [2], 1) == 0
    assert common_prefix([1], [1], -1) == 0


def test_while_a_slot_is_empty_no_hole_is_made_in_the_cache() -> None:
    table = _table()
    first = _finished(table, CHAT)
    _finished(table, list(range(500, 560)))
    placement = table.take([*CHAT[:80], 7, 8, 9])  # an edit; another chat lies behind this one
    assert placement.donor is not None
    assert (placement.donor.index, placement.n_copied) == (first, 80)
    table.release(placement.slot)
    placement = table.take([*CHAT[:80], 9, 9])  # no slot is empty now
    assert (placement.n_kept, placement.donor) == (80, None)


def test_what_has_to_lie_in_order_is_computed_anew_where_a_hole_would_be_filled_first() -> None:
    table = _table()
    _finished(table, list(range(500, 560)))
    kept = _finished(table, CHAT)
    assert table.evict() is not None  # the first; its 60 cells come next
    assert table.take([*CHAT, 7], steady=True).n_reused == 0
    assert table.cells.n_used == 0
    table = _table()
    kept = _finished(table, CHAT)
    placement = table.take([*CHAT, 7], steady=True)
    assert (placement.slot.index, placement.n_reused) == (kept, 100)


@pytest.mark.parametrize(("n_movable", "n_reused"), [(99, 0), (100, 100)])
def test_what_can_be_moved_is_reused_though_a_hole_would_be_filled_first(
    n_movable: int, n_reused: int
) -> None:
    table = SlotTable(n_slots=3, n_cells=1000, n_movable=n_movable)
    _finished(table, list(range(500, 560)))
    _finished(table, CHAT)
    assert table.evict() is not None
    assert table.take([*CHAT, 7], steady=True).n_reused == n_reused


def test_nobody_builds_on_what_stands_behind_a_cut() -> None:
    table = _table()
    placement = table.take(list(CHAT))
    slot = placement.slot
    _grow(table, slot, 100)
    table.cut(slot, 10, 40)
    del slot.tokens[10:50]
    after = [*CHAT[:10], *CHAT[50:]]
    assert table.best_prefix([*after, 7]) == (slot, 10)  # while it runs
    table.release(slot)
    assert (slot.n_held, table.best_prefix([*after, 7])) == (60, (slot, 10))
    assert table.take([*after, 7]).n_reused == 0  # 10 tokens are not worth sharing
    table.evict()
    _finished(table, after)  # computed anew, each token is what it seems
    assert table.best_prefix([*after, 7])[1] == 60


def test_a_sequence_that_would_fill_a_hole_before_it_can_be_moved() -> None:
    table = _table()
    first = table.take(list(range(10))).slot
    _grow(table, first, 10)
    second = table.take(list(range(100, 105))).slot
    _grow(table, second, 5)
    assert table.misplaced([(second, 1, True)]) == []
    table.release(first)
    assert table.evict() is first
    # The cells 0 to 9 are free now, and the next token goes into the first of them.
    assert table.misplaced([(second, 1, True)]) == [second]
    table.move(second)
    assert second.cells == [0, 1, 2, 3, 4]
    assert table.misplaced([(second, 1, True)]) == []
    table.extend_all([(second, 1, True)])
    assert second.cells[-1] == 5
    assert table.cells.n_used == table.n_spanned_cells == 6


def _half_out_of_order() -> tuple[SlotTable, Slot]:
    """A table whose one full slot holds `CHAT`, the second half of it in the cells before."""
    table = SlotTable(n_slots=3, n_cells=1000, n_movable=100)
    first = table.take(list(range(500, 560))).slot
    _grow(table, first, 60)
    second = table.take(list(CHAT)).slot
    _grow(table, second, 50, is_steady=True)
    table.release(first)
    assert table.evict() is first
    _grow(table, second, 50, is_steady=True)
    assert second.cells == [*range(60, 110), *range(50)]
    return table, second


def test_who_wants_order_builds_on_what_lies_in_order_only() -> None:
    table, slot = _half_out_of_order()
    table.release(slot)
    assert table.best_prefix([*CHAT, 7]) == (slot, 100)
    placement = table.take([*CHAT, 7], steady=True)
    assert (placement.donor, placement.n_reused) == (slot, 50)


def test_what_is_moved_lies_as_it_lay_before() -> None:
    """llama.cpp writes a state in the order of its cells, and puts it back in that."""
    table, slot = _half_out_of_order()
    table.move(slot)
    assert slot.cells == [*range(50, 100), *range(50)]
    assert not slot.is_ordered


def test_what_is_put_back_lies_in_the_first_free_cells_and_not_around_the_end() -> None:
    table = SlotTable(n_slots=3, n_cells=100)
    first = table.take(list(range(500, 590))).slot
    _grow(table, first, 90)
    table.release(first)
    second = table.take(list(CHAT)).slot
    assert table.evict() is first
    table.fill(second, 40, 30)
    assert second.cells == list(range(40))
    assert second.n_steady == 30


@pytest.mark.parametrize("n_unsteady", [0, 40])
def test_who_must_not_depend_on_others_builds_on_what_was_computed_so(n_unsteady: int) -> None:
    table = _table()
    slot = table.take(list(CHAT)).slot
    _grow(table, slot, 40, is_steady=True)
    _grow(table, slot, n_unsteady)
    _grow(table, slot, 60 - n_unsteady, is_steady=True)
    table.release(slot)
    n_steady = 40 if n_unsteady else 100
    assert table.best_prefix([*CHAT, 7], steady=True) == (slot, n_steady)
    other = table.take([*CHAT[:45], 7, 8])  # which shares them
    assert (other.donor, other.n_reused) == (slot, 45)
    assert other.slot.n_steady == min(n_steady, 45)
    table.release(other.slot)
    taken = table.take([*CHAT, 7], steady=True)
    assert taken.n_reused == n_steady


def test_a_row_that_keeps_company_takes_its_cell_for_a_moment_only() -> None:
    table = _table()
    slot = table.take(list(range(4))).slot
    table.extend_all([(slot, 4, True)], 1)
    assert slot.cells == [0, 1, 2, 3]
    assert table.cells.n_used == 4
    table.extend_all([(slot, 1, True)], 1)
    assert slot.cells[-1] == 4


WORDS = st.lists(st.integers(0, 2), min_size=1, max_size=8)


@given(kept=st.lists(st.tuples(WORDS, st.booleans()), max_size=6), asked=WORDS)
def test_the_longest_beginning_is_found_and_of_equal_ones_one_that_is_idle(
    kept: list[tuple[list[int], bool]], asked: list[int]
) -> None:
    """Those that run and cannot have a longer one are passed over without a comparison."""
    table = _table(n_slots=6)
    found = [(0, True)]
    for tokens, is_busy in kept:
        slot = table.take(list(tokens), reuse=False).slot
        _grow(table, slot, len(tokens))
        if not is_busy:
            table.release(slot)
        found.append((common_prefix(tokens, asked, len(asked) - 1), not is_busy))
    best, length = table.best_prefix(asked)
    assert length == max(found)[0]
    assert (best is None) == (length == 0)
    assert best is None or best.busy != max(found)[1]
