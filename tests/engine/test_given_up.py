"""What is left of a prompt that somebody gave up, and of what shall leave nothing. No model."""

from __future__ import annotations

import pytest

from minerva_desktop.engine.core.retries import MOST_NOTED, Retries
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slot import Slot
from tests.engine.schedules import admit_all, new_scheduler, new_sequence, shape_of, take_step


def test_what_was_given_up_in_the_middle_of_a_piece_is_read_in_small_ones_that_are_kept() -> None:
    """Whoever waits for less time than a piece takes would else never have an answer."""
    scheduler = new_scheduler(n_batch=512, n_running=2, n_cells=8192, n_kept=3)
    asked = new_sequence(1, 700).tokens

    def ask(request_id: int, tokens: list[int], n_steps: int = 1) -> list[tuple[int, int, int]]:
        scheduler.add(Sequence(request_id, list(tokens), 8))
        steps = [shape_of(take_step(scheduler)) for _ in range(n_steps)]
        scheduler.remove(request_id)
        return [shape for shapes in steps for shape in shapes]

    for _ in range(2):  # after one, whoever asks anew has time
        scheduler.add(Sequence(1, list(asked), 8))
        admit_all(scheduler)
        ((lost,),) = scheduler.schedule().groups
        scheduler.undone([lost])
        scheduler.remove(1)
        assert lost.count == 512
    assert ask(2, asked, 2) == [(2, 0, 64), (2, 64, 64)]  # given up between two pieces
    assert ask(3, new_sequence(3, 700).tokens) == [(3, 0, 512)]
    assert ask(4, [*asked, 9], 11)[::8] == [(4, 128, 64), (4, 640, 61)]
    assert ask(5, [*asked[:500], *range(700)]) == [(5, 500, 512)]  # that had its answer


def test_of_many_that_are_given_up_in_turn_each_goes_on_where_it_was() -> None:
    """Of more than 32 none ever had an answer, for each was forgotten before its next try."""
    retries, slot = Retries(), Slot(0)
    asked = [new_sequence(number, 700) for number in range(300)]
    for _ in range(2):
        assert not any(map(retries.has, asked))
        for sequence in asked:
            retries.note(Chunk(sequence, slot, 0, 512, 0, is_steady=False))
    assert all(map(retries.has, asked))
    retries.forget(asked[0])
    assert [retries.has(sequence) for sequence in asked[:2]] == [False, True]
    for number in range(MOST_NOTED):
        retries.note(Chunk(new_sequence(1000 + number, 99), slot, 0, 64, 0, is_steady=False))
    assert not any(map(retries.has, asked)), "what is noted is bounded"


def test_what_leaves_nothing_leaves_none_either_where_it_is_put_back() -> None:
    """Given up while it waited again, what it had computed stayed in the cache."""
    scheduler = new_scheduler(n_batch=8, n_running=2, n_cells=12)
    first, leaves = new_sequence(1, 4, max_tokens=2), new_sequence(2, 4, max_tokens=2)
    leaves.kept_for, leaves.reuse = 2, False
    scheduler.add(first)
    scheduler.add(leaves)
    take_step(scheduler)
    slot = leaves.slot
    first.tokens += [7, 8, 9]  # all that there is room for
    assert scheduler.schedule().evicted == []  # it waits for room, and goes on from there
    assert leaves.slot is None
    assert scheduler.remove(2) == [slot]
    assert scheduler.cells.n_used == first.n_computed


@pytest.mark.parametrize(("max_tokens", "waits"), [(1, False), (2, True)])
def test_nobody_waits_for_what_is_gone_with_its_prompt(max_tokens: int, waits: bool) -> None:
    scheduler = new_scheduler(n_batch=64, n_running=2)
    asked = new_sequence(1, 200, max_tokens=max_tokens)
    asked.kept_for = 1
    other = Sequence(2, asked.tokens[:], 8)
    scheduler.add(asked)
    scheduler.add(other)
    admit_all(scheduler)
    assert (other.slot is None) == waits


@pytest.mark.parametrize(("n_running", "append_only"), [(1, False), (2, False), (4, True)])
def test_answers_to_one_prompt_share_what_is_for_nobody_else(
    n_running: int, append_only: bool
) -> None:
    """Also where they run one after another. The last one leaves nothing."""
    scheduler = new_scheduler(n_batch=128, n_running=n_running, append_only=append_only)
    tokens = new_sequence(1, 100).tokens
    for number in range(1, 5):
        scheduler.add(Sequence(number, [*tokens], 2, reuse=False, kept_for=7))
    scheduler.add(Sequence(5, [*tokens], 2, reuse=False, kept_for=5))
    n_read = dict.fromkeys(range(1, 6), 0)
    while scheduler.has_work:
        for chunk in take_step(scheduler):
            n_read[chunk.sequence.request_id] += chunk.count
            if chunk.sequence.n_sampled == 2:
                scheduler.remove(chunk.sequence.request_id)
    assert n_read == {1: 101, 2: 2, 3: 2, 4: 2, 5: 101}
    assert scheduler.cells.n_used == 0
