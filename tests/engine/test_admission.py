"""Who starts while another waits for a prompt that is being read, without any model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.core.sequence import Sequence
from tests.engine.schedules import new_scheduler, new_sequence, shape_of, take_step


def test_those_behind_one_that_waits_for_a_prompt_start_before_it() -> None:
    """They had nothing of it that the long prompt is read once only, and waited as long."""
    scheduler = new_scheduler(n_batch=100, n_running=3)
    system = list(range(1000))
    scheduler.add(Sequence(1, [*system, 901], 8))
    scheduler.add(Sequence(2, [*system, 902], 8))
    scheduler.add(new_sequence(3, 20))
    scheduler.add(new_sequence(4, 20))
    assert sorted(shape_of(take_step(scheduler))) == [(3, 0, 20)]
    assert sorted(shape_of(take_step(scheduler))) == [(1, 0, 100), (3, 20, 1)]
    scheduler.remove(3)  # and only now there is a place for 4, beside that which 2 keeps
    assert (4, 0, 20) in shape_of(take_step(scheduler))
    found = [each for _ in range(10) for each in shape_of(take_step(scheduler))]
    assert [each for each in found if each[0] == 2] == [(2, 1000, 1)]


@pytest.mark.parametrize(("n_behind", "starts"), [(275, False), (274, True)])
def test_who_waits_for_a_prompt_keeps_the_room_that_it_needs(n_behind: int, starts: bool) -> None:
    scheduler = new_scheduler(n_batch=100, n_running=4, n_cells=900)
    system = list(range(300))
    scheduler.add(Sequence(1, [*system, 901], 8))
    scheduler.add(Sequence(2, [*system, 902], 8))
    scheduler.add(new_sequence(3, n_behind))
    found = {chunk.sequence.request_id for _ in range(3) for chunk in take_step(scheduler)}
    assert found == ({1, 3} if starts else {1})


def test_a_prompt_pauses_first_where_the_first_of_those_that_wait_takes_what_it_holds() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=4, append_only=True)
    tokens = list(range(400))
    scheduler.add(Sequence(1, tokens, 8))
    scheduler.add(Sequence(2, [*tokens[:100], 901, 902], 8))
    scheduler.add(Sequence(3, [*tokens[:300], 903], 8))
    found = [chunk for _ in range(6) for chunk in shape_of(take_step(scheduler))]
    assert [c for c in found if c[0] == 1][:3] == [(1, 0, 100), (1, 100, 200), (1, 300, 100)]
    assert {(2, 100, 2), (3, 300, 1)} <= set(found)


def test_nobody_waits_for_a_prompt_that_came_later() -> None:
    """Clients that have nothing reused send the same again and again, and leave: one that waited
    for each of these would wait for ever."""
    scheduler = new_scheduler(n_batch=100, n_running=3)
    system = list(range(1000))
    scheduler.add(Sequence(1, [*system, 901], 8, reuse=False))
    scheduler.add(Sequence(2, [*system, 902], 8))
    scheduler.add(Sequence(3, [*system, 903], 8, reuse=False))
    started: list[int] = []
    for leaver, newcomer in zip((1, 3, 4, 5, 6), range(4, 9), strict=True):
        started += [chunk.sequence.request_id for chunk in take_step(scheduler)]
        scheduler.remove(leaver)
        scheduler.add(Sequence(newcomer, [*system, 900 + newcomer], 8, reuse=False))
    assert 2 in started


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 20, 90, 250]), st.integers(1, 80), st.integers(1, 30)),
        min_size=2,
        max_size=14,
    ),
    st.integers(1, 5),
    st.booleans(),
)
def test_whoever_waits_for_whom_all_end_and_leave_no_cell(
    asked: list[tuple[int, int, int]], n_running: int, append_only: bool
) -> None:
    """In a cache in which few of them have room together."""
    scheduler = new_scheduler(
        n_batch=64, n_running=n_running, n_cells=500, n_kept=1, append_only=append_only
    )
    running = {}
    for number, (n_common, n_own, max_tokens) in enumerate(asked):
        own = new_sequence(number + 1, n_own).tokens
        running[number] = Sequence(number, [*range(n_common), *own], max_tokens)
        scheduler.add(running[number])
    for _ in range(2000):
        take_step(scheduler)
        for number, sequence in list(running.items()):
            if sequence.n_sampled == sequence.max_tokens:
                scheduler.remove(running.pop(number).request_id)
        if not running:
            break
    assert not running
    for slot in scheduler.kept():
        scheduler.give_up(slot)
    assert scheduler.cells.n_used == 0
