"""How the steps of sequences are cut whose text must not depend on others, without any model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.core.batch_filler import SteadyRows
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slots import SlotTable
from tests.engine.schedules import admit_all, new_scheduler, new_sequence, shape_of, take_step


def _steady(request_id: int, n_prompt: int, until: int = 10_000) -> Sequence:
    sequence = new_sequence(request_id, n_prompt)
    sequence.steady_until = until
    return sequence


def test_a_steady_prompt_is_cut_below_the_rows_that_ggml_puts_into_tiles() -> None:
    scheduler = new_scheduler(n_batch=512)
    scheduler.add(_steady(1, 150))
    assert [shape_of(take_step(scheduler)) for _ in range(3)] == [
        [(1, 0, 50)],
        [(1, 50, 50)],
        [(1, 100, 50)],
    ]


def test_prompts_that_fit_but_for_a_few_tokens_all_go_into_the_step() -> None:
    """Else the last one's two halves would each keep the fifteen that write waiting once more."""
    scheduler = new_scheduler(n_batch=512, n_running=16)
    for request_id in range(16):
        scheduler.add(_steady(request_id, 67))
    steps = [[chunk.count for chunk in take_step(scheduler)] for _ in range(3)]
    assert steps == [[34] * 16, [33] * 16, [1] * 16]


def test_a_prompt_that_is_much_too_large_for_what_is_left_waits() -> None:
    scheduler = new_scheduler(n_batch=64, n_running=2)
    scheduler.add(_steady(1, 60))
    scheduler.add(_steady(2, 61))
    assert [chunk.count for chunk in take_step(scheduler)] == [60]


def _shared_steps(scheduler: Scheduler, count: int) -> list[list[list[int]]]:
    """The rows of each chunk, by decode and step."""
    scheduler.use_threads(2)  # so that it is known which cells are whose
    steps = []
    for _ in range(count):
        admit_all(scheduler)
        groups = scheduler.schedule().groups
        steps.append([[chunk.count for chunk in group] for group in groups])
        for group in groups:
            scheduler.advance(group)
        for chunk in (chunk for group in groups for chunk in group if chunk.needs_logits):
            chunk.sequence.tokens.append(-len(chunk.sequence.tokens))
    return steps


def test_steady_prompts_share_decodes_that_they_fill() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=16)
    for request_id in range(16):
        scheduler.add(_steady(request_id, 67))
    first, *later = _shared_steps(scheduler, 3)
    assert first == [[63], *([4 * n, 67 - 4 * (n + 1)] for n in range(1, 16)), [62]]
    assert later == [[[1] * 15 + [2]], [[1] * 16]]


def test_small_prompts_that_come_together_are_read_in_one_step_of_twice_a_batch_at_most() -> None:
    """With a step for those that are left over, all whose answers have begun would wait twice."""
    scheduler = new_scheduler(n_batch=512, n_running=40)
    for request_id in range(40):
        scheduler.add(_steady(request_id, 30))
    first, second = _shared_steps(scheduler, 2)
    assert first[:3] == [[30, 30, 3], [27, 30, 6], [24, 30, 9]]
    assert 1024 - 63 < sum(map(sum, first)) < 1024 + 63
    assert second[0] == [1] * 35
    assert sum(map(sum, first + second)) == 40 * 30 + 35


def test_long_prompts_that_come_together_make_no_step_longer() -> None:
    """All whose answers have begun would wait for them; so later ones are short."""
    scheduler = new_scheduler(n_batch=512, n_running=3)
    scheduler.add(_steady(0, 5))
    scheduler.add(_steady(1, 2000))
    scheduler.add(_steady(2, 2000))
    first, *later = _shared_steps(scheduler, 4)
    assert 512 <= sum(map(sum, first)) < 512 + 63
    for step in later:
        assert 100 < sum(map(sum, step)) < 128


def test_in_a_batch_of_two_only_the_end_of_a_prompt_is_a_lone_row() -> None:
    scheduler = new_scheduler(n_batch=2, n_running=1)
    scheduler.add(_steady(0, 7))
    assert _shared_steps(scheduler, 4) == [[[2]], [[2]], [[2]], [[1]]]


def test_a_steady_prompt_joins_those_that_decode_where_there_is_room() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=50)
    for request_id in range(15):
        scheduler.add(_steady(request_id, 1))
    scheduler.add(_steady(15, 67))
    decoding = [1] * 15
    assert _shared_steps(scheduler, 3) == [[[*decoding, 34]], [[*decoding, 33]], [[*decoding, 1]]]
    for request_id in range(16, 33):
        scheduler.add(_steady(request_id, 1))
    scheduler.add(_steady(33, 67))
    assert _shared_steps(scheduler, 2) == [[[1] * 33, [34]], [[1] * 33, [33]]]


def test_prompts_share_no_more_rows_than_a_batch_has() -> None:
    scheduler = new_scheduler(n_batch=20, n_running=3)
    for request_id in range(3):
        scheduler.add(_steady(request_id, 12))
    assert _shared_steps(scheduler, 3) == [[[12, 8]], [[1], [4, 12]], [[1, 1, 1]]]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_no_piece_of_a_prompt_is_a_lone_row_and_none_is_left_out(sizes: list[int]) -> None:
    """A lone row is computed otherwise than others, and its sequence's next token is known."""
    scheduler = new_scheduler(n_batch=512, n_running=20)
    for request_id, size in enumerate(sizes):
        scheduler.add(_steady(request_id, size))
    scheduler.use_threads(2)
    computed = dict.fromkeys(range(len(sizes)), 0)
    for _ in range(12):
        admit_all(scheduler)
        for group in scheduler.schedule().groups:
            assert sum(chunk.count for chunk in group) <= 63
            for chunk in group:
                assert chunk.start == computed[chunk.sequence.request_id]
                computed[chunk.sequence.request_id] += chunk.count
                assert len(group) > 1 or chunk.count > 1 or chunk.needs_logits
            scheduler.advance(group)
            for chunk in group:
                if chunk.needs_logits:
                    chunk.sequence.tokens.append(7)
    assert all(computed[number] > size for number, size in enumerate(sizes))


def test_the_lone_row_of_a_steady_sequence_has_company_once_the_cache_is_long() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=2)
    scheduler.add(_steady(1, 250))
    lone = []
    for _ in range(12):
        (chunk,) = take_step(scheduler)
        if chunk.count == 1:
            lone.append(chunk.has_company)
    assert lone == [False] * 6 + [True] * 2  # 250 to 255 cells before it, and then more
    scheduler.add(new_sequence(2, 3))
    assert [c.has_company for c in take_step(scheduler) + take_step(scheduler)] == [True, False] + [
        False
    ] * 2


def test_company_ends_where_steadiness_does() -> None:
    scheduler = new_scheduler(n_batch=512)
    scheduler.add(_steady(1, 260, until=262))
    chunks = [take_step(scheduler)[0] for _ in range(9)]
    assert [c.has_company for c in chunks if c.count == 1] == [True, True, False, False]


@pytest.mark.parametrize(
    ("n_before", "n_prompt", "n_threads", "alone"),
    [
        (0, 60, 2, [True] * 4),  # below 256 cells nobody shares
        (230, 25, 2, [True] + [False] * 3),  # over the middle of 512, from where they are shared
        (300, 60, 2, [True] * 4),  # in the second half
        (300, 84, 4, [False] * 4),  # over the end of the third quarter
        (300, 60, 1, [True] * 4),
        (300, 60, None, [False] * 4),
    ],
)
def test_a_lone_row_whose_cells_one_thread_has_needs_no_company(
    n_before: int, n_prompt: int, n_threads: int | None, alone: list[bool]
) -> None:
    scheduler = new_scheduler(n_batch=512, n_cells=1000, n_kept=1)
    scheduler.use_threads(n_threads)
    if n_before:
        scheduler.add(new_sequence(1, n_before))
        take_step(scheduler)
        scheduler.remove(1)
    scheduler.add(_steady(2, n_prompt))
    chunks = [take_step(scheduler)[0] for _ in range(6)]
    assert [not c.has_company for c in chunks if c.count == 1][:4] == alone


def test_in_a_full_cache_an_idle_slot_makes_room_for_company() -> None:
    scheduler = new_scheduler(n_batch=512, n_cells=600, n_kept=1)
    scheduler.add(new_sequence(1, 299))
    take_step(scheduler)
    scheduler.remove(1)
    scheduler.add(_steady(2, 300))
    for _ in range(5):  # 60 tokens at a time
        take_step(scheduler)
    assert scheduler.cells.n_used == 599  # one is free, for the row itself
    batch = scheduler.schedule()
    assert [slot.n_held for slot in batch.evicted] == [0]
    assert [[chunk.has_company for chunk in group] for group in batch.groups] == [[True]]
    assert scheduler.cells.n_used == 300


def test_in_a_full_cache_the_youngest_that_runs_makes_room_for_company() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=2, n_cells=600)
    scheduler.add(_steady(1, 300))
    for _ in range(5):  # 60 tokens at a time
        take_step(scheduler)
    younger = new_sequence(2, 280, max_tokens=1)
    scheduler.add(younger)
    admit_all(scheduler)
    younger.tokens += range(19)  # as if it had grown beyond its reserve
    assert scheduler.cells.n_used == 300
    batch = scheduler.schedule()
    assert [[chunk.has_company for chunk in group] for group in batch.groups] == [[True]]
    assert scheduler.decoding == [chunk.sequence for group in batch.groups for chunk in group]


def test_the_only_one_in_a_full_cache_goes_on_without_company() -> None:
    scheduler = new_scheduler(n_batch=512, n_cells=301)
    scheduler.add(_steady(1, 300))
    for _ in range(5):  # 60 tokens at a time
        take_step(scheduler)
    batch = scheduler.schedule()
    assert batch.evicted == []
    assert [[chunk.has_company for chunk in group] for group in batch.groups] == [[False]]


def _rows(groups: list[list[Chunk]]) -> list[int]:
    return [sum(chunk.count for chunk in group) for group in groups]


def _decodes_of(steady: set[int]) -> list[list[int]]:
    """Which of 129 sequences that write are in each decode of a step."""
    scheduler = new_scheduler(n_batch=512, n_running=130)
    for number in range(129):
        scheduler.add(_steady(number, 1, until=100 if number in steady else 0))
    take_step(scheduler)
    groups = scheduler.schedule().groups
    return [[chunk.sequence.request_id for chunk in group] for group in groups]


def test_many_that_decode_are_shared_out_to_decodes_without_tiles_if_one_is_steady() -> None:
    everyone = list(range(129))
    assert _decodes_of(set()) == [everyone]
    rest = [number for number in everyone if number != 5]
    assert _decodes_of({5}) == [[5, *rest[:62]], rest[62:]]
    # And none of them is a lone row.
    assert _decodes_of(set(everyone)) == [everyone[:43], everyone[43:86], everyone[86:]]


def test_guesses_count_as_rows_and_stay_with_their_sequence() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=4)
    for number in range(4):
        scheduler.add(_steady(number, 1))
    take_step(scheduler)
    for sequence in scheduler.decoding:
        sequence.drafts[:] = [7] * 16
    groups = scheduler.schedule().groups
    assert _rows(groups) == [34, 34]
    assert [chunk.count for group in groups for chunk in group] == [17] * 4


def test_a_model_may_want_few_rows_in_a_decode_and_none_alone() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=8, n_cells=4096),
        n_batch=64,
        max_running=8,
        steady_rows=SteadyRows(most=3, lone_cells=0),
    )
    sequences = [Sequence(number, [number], None, steady_until=100) for number in range(7)]
    scheduler.add(sequences[0])
    admit_all(scheduler)
    (lone,) = scheduler.schedule().groups
    assert [chunk.has_company for chunk in lone] == [True]
    for sequence in sequences[1:]:
        scheduler.add(sequence)
    admit_all(scheduler)
    groups = scheduler.schedule().groups
    assert [len(group) for group in groups] == [3, 3, 1]
    assert [chunk.has_company for group in groups for chunk in group] == [False] * 6 + [True]
    for sequence in sequences[3:]:
        sequence.steady_until = 0
    groups = scheduler.schedule().groups
    assert [[chunk.sequence.request_id for chunk in group] for group in groups] == [
        [0, 1, 2],
        [3, 4, 5, 6],
    ]
    sequences[0].drafts[:] = [7] * 8
    assert [chunk.count for chunk in scheduler.schedule().groups[0]] == [3]


def test_company_is_a_guess_where_there_is_one_and_room_for_it() -> None:
    scheduler = new_scheduler(n_batch=512)
    sequence = _steady(1, 300)
    sequence.tokens[100:103] = sequence.tokens[-3:]  # what followed then may follow again
    sequence.max_tokens = 2
    scheduler.add(sequence)
    for _ in range(5):
        take_step(scheduler)
    assert sequence.n_sampled == 1
    sequence.tokens[-1] = sequence.tokens[103]
    (chunk,) = scheduler.schedule().groups[0]
    assert (chunk.tokens, chunk.has_company) == ([sequence.tokens[103]], True)  # it is the last
    sequence.max_tokens = 3
    (chunk,) = scheduler.schedule().groups[0]
    assert chunk.tokens == sequence.tokens[103:105]
    assert (chunk.n_drafts, chunk.n_outputs, chunk.has_company) == (1, 2, False)


def test_nothing_is_guessed_amid_a_prompt_that_pauses_for_another() -> None:
    """A lone row, which nobody would see to be another token than the prompt has there."""
    scheduler = new_scheduler(n_batch=512, n_running=2, append_only=True)
    prompt = list(range(400))
    prompt[100:103] = prompt[-3:]  # what followed then may follow again
    pausing = Sequence(1, list(prompt), 8, steady_until=10_000)
    scheduler.add(pausing)
    scheduler.add(Sequence(2, [*prompt[:287], 7], 8, steady_until=10_000))
    while pausing.n_computed < 286:  # 57 or 58 tokens at a time
        take_step(scheduler)
    (chunk,) = next(g for g in scheduler.schedule().groups if g[0].sequence is pausing)
    assert (chunk.tokens, chunk.has_company) == (prompt[286:287], True)


def test_what_was_not_computed_has_no_cells() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=2)
    for request_id in (1, 2):
        scheduler.add(new_sequence(request_id, 40))
    admit_all(scheduler)
    (first, *_), *_ = scheduler.schedule().groups
    scheduler.undone([first])
    assert scheduler.cells.n_used == first.slot.n_held == 0
    assert shape_of(take_step(scheduler)) == [(1, 0, 40), (2, 0, 40)]
