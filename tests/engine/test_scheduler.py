"""Which tokens a step computes, without any model."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.slots import SlotTable
from tests.engine.schedules import admit_all, new_scheduler, new_sequence, shape_of, take_step


def test_a_prompt_is_computed_in_chunks_and_asks_for_logits_at_its_end() -> None:
    scheduler = new_scheduler(n_batch=4)
    scheduler.add(new_sequence(1, 10))
    assert [shape_of(take_step(scheduler)) for _ in range(4)] == [
        [(1, 0, 4)],
        [(1, 4, 4)],
        [(1, 8, 2)],
        [(1, 10, 1)],  # the first sampled token
    ]


def test_requests_beyond_those_that_may_run_wait_and_are_admitted_oldest_first() -> None:
    scheduler = new_scheduler(n_batch=8)
    for request_id in (1, 2, 3):
        scheduler.add(new_sequence(request_id, 2))
    assert shape_of(take_step(scheduler)) == [(1, 0, 2)]
    scheduler.remove(1)
    assert shape_of(take_step(scheduler)) == [(2, 0, 2)]


def test_sequences_are_decoded_in_the_order_of_their_numbers() -> None:
    """Else llama.cpp computes those of a Mamba one by one."""
    scheduler = new_scheduler(n_batch=8, n_running=3)
    for request_id in (1, 2, 3):
        scheduler.add(new_sequence(request_id, 2))
    take_step(scheduler)
    scheduler.remove(1)
    scheduler.add(new_sequence(4, 2))  # has the first number now
    take_step(scheduler)
    assert [request_id for request_id, _, _ in shape_of(take_step(scheduler))] == [4, 2, 3]


def test_decoding_sequences_come_before_prompts_so_that_no_prompt_stalls_them() -> None:
    scheduler = new_scheduler(n_batch=4, n_running=2)
    scheduler.add(new_sequence(1, 1))
    take_step(scheduler)
    scheduler.add(new_sequence(2, 100))
    assert shape_of(take_step(scheduler)) == [(1, 1, 1), (2, 0, 4)]


def test_a_short_prompt_does_not_wait_for_a_long_one() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=4)
    scheduler.add(new_sequence(1, 4000))
    take_step(scheduler)
    scheduler.add(new_sequence(2, 20))
    assert shape_of(take_step(scheduler)) == [(2, 0, 20)]


def test_short_prompts_do_not_overtake_a_long_one_for_ever() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=4)
    scheduler.add(new_sequence(1, 4000))
    take_step(scheduler)
    computed = []
    for request_id in range(2, 8):
        scheduler.add(new_sequence(request_id, 20))
        computed += [c.sequence.request_id for c in take_step(scheduler)]
        scheduler.remove(request_id - 1 if request_id > 2 else 0)
    assert computed.count(1) >= 3


@given(st.lists(st.integers(2, 60), min_size=1, max_size=4))
def test_a_prompt_is_cut_the_same_beside_any_others_and_computed_apart(sizes: list[int]) -> None:
    """Only so does an answer on a CPU not depend on what runs beside it."""
    scheduler = new_scheduler(n_batch=16, n_running=5)
    scheduler.add(new_sequence(100, 50, max_tokens=None))
    for request_id, size in enumerate(sizes):
        scheduler.add(new_sequence(request_id, size, max_tokens=None))
    cuts: list[tuple[int, int]] = []
    for _ in range(30):
        admit_all(scheduler)
        for group in scheduler.schedule().groups:
            scheduler.advance(group)
            cuts += [(c.start, c.count) for c in group if c.sequence.request_id == 100]
            if any(chunk.count > 1 for chunk in group):
                assert len(group) == 1
            for chunk in group:
                if chunk.needs_logits:
                    chunk.sequence.tokens.append(7)
    assert cuts[:4] == [(0, 16), (16, 16), (32, 16), (48, 2)]


@pytest.mark.parametrize(("is_random", "pieces"), [(True, [128] * 4), (False, [512] * 4)])
def test_a_long_prompt_does_not_keep_an_answer_waiting(is_random: bool, pieces: list[int]) -> None:
    """But where the same answer may be expected again, which it could change."""
    scheduler = new_scheduler(n_batch=512, n_running=2, n_cells=8192)
    reads = new_sequence(2, 4000)
    reads.is_random = is_random
    scheduler.add(reads)
    assert shape_of(take_step(scheduler)) == [(2, 0, 512)]  # nobody waits
    scheduler.add(new_sequence(1, 1, max_tokens=None))
    take_step(scheduler)
    steps = [shape_of(take_step(scheduler)) for _ in pieces]
    assert [(first[0], second[2]) for first, second in steps] == [(1, each) for each in pieces]


def test_several_long_prompts_keep_an_answer_waiting_no_longer_than_one() -> None:
    """And each step is one's, the shortest's and the oldest's in turn."""
    scheduler = new_scheduler(n_batch=512, n_running=4, n_cells=16384)
    scheduler.add(new_sequence(1, 1, max_tokens=None))
    take_step(scheduler)
    for request_id, n_tokens in ((2, 4000), (3, 3000), (4, 2000)):
        tokens = new_sequence(request_id, n_tokens).tokens
        scheduler.add(Sequence(request_id, tokens, 8, is_random=True))
    steps = [take_step(scheduler) for _ in range(4)]
    reads = [[(c.sequence.request_id, c.count) for c in step] for step in steps]
    assert reads == [[(1, 1), (each, 128)] for each in (4, 2, 4, 2)]


def test_nor_do_long_prompts_of_answers_that_are_the_same_again() -> None:
    """Those are read in pieces of up to 63 anyway: as many as one step had room for."""
    scheduler = new_scheduler(n_batch=512, n_running=4, n_cells=16384)
    scheduler.use_threads(2)
    scheduler.add(Sequence(1, [5], None))
    take_step(scheduler)
    for request_id, n_tokens in ((2, 3000), (3, 2000)):
        tokens = new_sequence(request_id, n_tokens).tokens
        scheduler.add(Sequence(request_id, tokens, 8, steady_until=sys.maxsize))
    for _ in range(4):
        step = take_step(scheduler)
        assert [c.count for c in step if c.sequence.request_id == 1] == [1]
        assert sum(c.count for c in step if c.sequence.request_id != 1) <= 128
        assert {c.sequence.request_id for c in step} == {1, 2, 3}


def test_an_answer_with_other_adapters_does_not_wait_longer_either() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=2, n_cells=8192)
    scheduler.add(Sequence(1, [5], None, variant=(1.0,)))
    take_step(scheduler)
    scheduler.add(Sequence(2, list(range(4000)), 8, is_random=True))
    steps = [shape_of(take_step(scheduler)) for _ in range(4)]
    assert steps == [[(2, 0, 128)], [(1, 1, 1)], [(2, 128, 128)], [(1, 2, 1)]]


def test_where_a_gpu_computes_one_decode_takes_all_that_fits() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=3, n_cells=4096), n_batch=8, max_running=3, prompts_apart=False
    )
    scheduler.add(new_sequence(1, 1))
    take_step(scheduler)
    scheduler.add(new_sequence(2, 3))
    scheduler.add(new_sequence(3, 30))
    admit_all(scheduler)
    groups = scheduler.schedule().groups
    assert [shape_of(group) for group in groups] == [[(1, 1, 1), (2, 0, 3), (3, 0, 4)]]


def test_where_a_gpu_computes_a_long_prompt_takes_no_second_decode_beside_an_answer() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=2, n_cells=4096), n_batch=512, max_running=2, prompts_apart=False
    )
    scheduler.add(new_sequence(1, 1, max_tokens=None))
    take_step(scheduler)
    scheduler.add(new_sequence(2, 2000))
    shapes = []
    for _ in range(3):
        admit_all(scheduler)
        (group,) = scheduler.schedule().groups
        shapes.append([(c.sequence.request_id, c.count) for c in group])
        scheduler.advance(group)
        group[0].sequence.tokens.append(7)
    assert shapes == [[(1, 1), (2, 511)]] * 3


def test_guesses_leave_a_prompt_a_row_where_a_gpu_computes() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=2, n_cells=4096), n_batch=4, max_running=2, prompts_apart=False
    )
    guessing = new_sequence(1, 1, max_tokens=None)
    scheduler.add(guessing)
    take_step(scheduler)
    guessing.drafts[:] = [7, 7, 7]
    scheduler.add(new_sequence(2, 20))
    assert shape_of(take_step(scheduler)) == [(1, 1, 1), (2, 0, 3)]


def test_a_prompt_that_is_scored_takes_the_rows_of_logits_that_a_decode_has() -> None:
    for apart in (True, False):
        scheduler = Scheduler(
            SlotTable(n_slots=3, n_cells=4096),
            n_batch=64,
            max_running=3,
            n_outputs=8,
            prompts_apart=apart,
            keeps_company=False,
        )
        scheduler.add(new_sequence(1, 1, max_tokens=None))
        take_step(scheduler)
        scored = Sequence(2, list(range(20)), 0, reuse=False, scores=True)
        scheduler.add(scored)
        scheduler.add(new_sequence(3, 30))
        admit_all(scheduler)
        groups = scheduler.schedule().groups
        alone = [[(3, 0, 30)]] if apart else []
        beside = [] if apart else [(3, 0, 30)]
        shapes = sorted(shape_of(group) for group in groups)
        assert shapes == sorted([[(1, 1, 1), *beside], *alone, [(2, 0, 8)]])
        assert [c.n_outputs for group in groups for c in group if c.sequence is scored] == [8]
        scheduler.remove(1)
        scheduler.remove(3)
        for start in (0, 8, 16):
            (group,) = scheduler.schedule().groups
            assert shape_of(group) == [(2, start, min(8, 20 - start))]
            assert group[0].n_outputs == group[0].count
            scheduler.advance(group)
            scored.n_scored = min(start + 8, 19) + 1
        assert not scored.is_scoring


def test_a_prompt_waits_until_it_fits_beside_the_others_with_room_for_an_answer() -> None:
    scheduler = new_scheduler(n_batch=100, n_running=2, n_cells=100)
    scheduler.add(new_sequence(1, 60))
    scheduler.add(new_sequence(2, 35))  # and 8 tokens of an answer: 103
    assert shape_of(take_step(scheduler)) == [(1, 0, 60)]
    scheduler.remove(1)
    assert shape_of(take_step(scheduler)) == [(2, 0, 35)]


def test_where_the_cache_fills_the_youngest_is_put_back_and_computed_again_later() -> None:
    scheduler = new_scheduler(n_batch=100, n_running=2, n_cells=100)
    scheduler.add(new_sequence(1, 40))
    scheduler.add(new_sequence(2, 40))
    take_step(scheduler)
    old, young = 1, 2
    for _ in range(10):  # 20 more tokens, one of each in every step
        take_step(scheduler)
    assert {c.sequence.request_id for c in take_step(scheduler)} == {old}
    scheduler.remove(old)
    (chunk,) = take_step(scheduler)
    assert chunk.sequence.request_id == young
    assert chunk.sequence.n_sampled == 12  # what it had is kept, and the next one is sampled
    assert chunk.sequence.n_computed == 51


def test_a_request_waits_for_the_one_that_computes_its_beginning_and_then_shares_it() -> None:
    scheduler = new_scheduler(n_batch=100, n_running=2)
    system = list(range(190))
    scheduler.add(Sequence(1, [*system, 901], 8))
    scheduler.add(Sequence(2, [*system, 902], 8))
    assert shape_of(take_step(scheduler)) == [(1, 0, 100)]
    assert shape_of(take_step(scheduler)) == [(1, 100, 91)]
    assert shape_of(take_step(scheduler)) == [(1, 191, 1), (2, 190, 1)]


def test_one_computes_a_short_prompt_that_others_have_too() -> None:
    scheduler = new_scheduler(n_batch=100, n_running=4)
    for request_id in (1, 2, 3):
        scheduler.add(Sequence(request_id, list(range(20)), 8))
    scheduler.add(Sequence(4, [*range(19), 901, 902], 8))  # begins alike and is another
    assert sorted(shape_of(take_step(scheduler))) == [(1, 0, 20), (4, 0, 21)]
    assert sorted(shape_of(take_step(scheduler))) == [
        (1, 20, 1), (2, 19, 1), (3, 19, 1), (4, 21, 1)
    ]  # fmt: skip


def test_a_short_prompt_does_not_wait_for_a_long_one_that_begins_with_it() -> None:
    """Which, amid others, may not have its turn for long; nor would those behind it in the queue
    have theirs."""
    scheduler = new_scheduler(n_batch=512, n_running=6, n_cells=16384)
    long = [new_sequence(request_id, 5000 - 1000 * request_id) for request_id in (1, 2, 3)]
    for sequence in long:
        scheduler.add(sequence)
    admit_all(scheduler)
    scheduler.add(Sequence(4, long[1].tokens[:20], 8))
    scheduler.add(new_sequence(5, 20))
    assert {4, 5} <= {chunk.sequence.request_id for chunk in take_step(scheduler)}


def test_without_reuse_everything_is_computed() -> None:
    scheduler = new_scheduler(n_batch=100, n_kept=1)
    scheduler.add(Sequence(1, list(range(50)), 8))
    take_step(scheduler)
    scheduler.remove(1)
    scheduler.add(Sequence(2, list(range(50)), 8, reuse=False))
    assert shape_of(take_step(scheduler)) == [(2, 0, 50)]


def test_removing_is_idempotent_in_every_phase() -> None:
    scheduler = new_scheduler(n_batch=4)
    for request_id in (1, 2):
        scheduler.add(new_sequence(request_id, 3))
    take_step(scheduler)
    for _ in range(2):
        scheduler.remove(2)  # waiting
        scheduler.remove(1)  # running
    assert not scheduler.has_work


def test_a_shift_forgets_the_older_half_behind_the_kept_tokens() -> None:
    scheduler = new_scheduler(n_batch=100, n_cells=20)
    sequence = Sequence(1, list(range(20)), 50)
    scheduler.add(sequence)
    take_step(scheduler)
    sequence.tokens.pop()  # the cache is full: there is no cell for another
    assert scheduler.shift(sequence, keep=4, can_move=True) == 8
    assert sequence.tokens == [0, 1, 2, 3, *range(12, 20)]
    assert (sequence.n_computed, sequence.n_sampled, sequence.n_shifted) == (12, 0, 8)


@given(
    st.lists(
        st.tuples(st.integers(1, 150), st.integers(1, 90), st.integers(0, 3)),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_every_request_comes_to_its_end_within_the_cache(
    wishes: list[tuple[int, int, int]], append_only: bool
) -> None:
    """Any mix of prompts, answers and shared beginnings, on a cache of 250 cells."""
    scheduler = new_scheduler(
        n_batch=16, n_running=3, n_cells=250, n_kept=2, append_only=append_only
    )
    for number, (n_prompt, n_answer, family) in enumerate(wishes):
        tokens = list(range(1000 * family, 1000 * family + n_prompt))
        scheduler.add(Sequence(number, tokens, n_answer))
    ended: set[int] = set()
    for _ in range(2000):
        for chunk in take_step(scheduler):
            sequence = chunk.sequence
            if sequence.n_sampled == sequence.max_tokens:
                assert sequence.n_computed == len(sequence.tokens) - 1
                scheduler.remove(sequence.request_id)
                ended.add(sequence.request_id)
        if not scheduler.has_work:
            break
    assert ended == set(range(len(wishes)))


def test_what_one_shares_is_there_though_the_next_takes_the_slot_that_gave_it() -> None:
    scheduler = new_scheduler(n_batch=500, n_running=2)
    chat = list(range(300))
    scheduler.add(Sequence(1, list(chat), 8))
    take_step(scheduler)
    scheduler.remove(1)
    scheduler.add(Sequence(2, [*chat[:100], 901], 8))
    scheduler.add(new_sequence(3, 50))
    admitted = scheduler.admit()
    assert admitted is not None
    _, first = admitted
    assert first.donor is not None
    assert (first.n_copied, first.donor.n_held) == (100, 300)  # carried out now
    admitted = scheduler.admit()
    assert admitted is not None
    assert admitted[1].slot is first.donor
    assert (first.donor.n_held, first.slot.n_held) == (0, 100)
    assert scheduler.admit() is None


def test_a_state_that_cannot_go_back_is_shared_where_it_holds_what_they_have_in_common() -> None:
    scheduler = new_scheduler(n_batch=100, n_running=3, append_only=True)
    prompt = list(range(190))
    for number in (1, 2):
        scheduler.add(Sequence(number, list(prompt), 8))
    scheduler.add(Sequence(3, [*prompt[:100], 903], 8))
    shapes = [shape_of(take_step(scheduler)) for _ in range(3)]
    assert shapes[0] == [(1, 0, 100)]
    assert sorted(shapes[1]) == [(1, 100, 89), (3, 100, 1)]
    assert sorted(shapes[2]) == [(1, 189, 1), (2, 189, 1), (3, 101, 1)]
