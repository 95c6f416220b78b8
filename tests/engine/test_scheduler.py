"""Which tokens a step computes, without any model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.engine.core.batch_filler import SteadyRows
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slots import SlotTable


def _scheduler(
    *,
    n_batch: int = 4,
    n_running: int = 1,
    n_cells: int = 4096,
    n_kept: int = 0,
    append_only: bool = False,
) -> Scheduler:
    slots = SlotTable(n_slots=n_running + n_kept, n_cells=n_cells, append_only=append_only)
    return Scheduler(slots, n_batch=n_batch, max_running=n_running)


def _sequence(request_id: int, n_prompt: int, *, max_tokens: int | None = 8) -> Sequence:
    first = 100_000 * request_id  # no two of them begin alike
    return Sequence(request_id, list(range(first, first + n_prompt)), max_tokens)


def _admit(scheduler: Scheduler) -> None:
    while scheduler.admit() is not None:
        pass


def _step(scheduler: Scheduler) -> list[Chunk]:
    _admit(scheduler)
    chunks = [chunk for group in scheduler.schedule().groups for chunk in group]
    scheduler.advance(chunks)
    for chunk in chunks:
        if chunk.needs_logits:
            chunk.sequence.tokens.append(7)
    return chunks


def _shape(chunks: list[Chunk]) -> list[tuple[int, int, int]]:
    return [(c.sequence.request_id, c.start, c.count) for c in chunks]


def test_a_prompt_is_computed_in_chunks_and_asks_for_logits_at_its_end() -> None:
    scheduler = _scheduler(n_batch=4)
    scheduler.add(_sequence(1, 10))
    assert [_shape(_step(scheduler)) for _ in range(4)] == [
        [(1, 0, 4)],
        [(1, 4, 4)],
        [(1, 8, 2)],
        [(1, 10, 1)],  # the first sampled token
    ]


def test_requests_beyond_those_that_may_run_wait_and_are_admitted_oldest_first() -> None:
    scheduler = _scheduler(n_batch=8)
    for request_id in (1, 2, 3):
        scheduler.add(_sequence(request_id, 2))
    assert _shape(_step(scheduler)) == [(1, 0, 2)]
    scheduler.remove(1)
    assert _shape(_step(scheduler)) == [(2, 0, 2)]


def test_decoding_sequences_come_before_prompts_so_that_no_prompt_stalls_them() -> None:
    scheduler = _scheduler(n_batch=4, n_running=2)
    scheduler.add(_sequence(1, 1))
    _step(scheduler)
    scheduler.add(_sequence(2, 100))
    assert _shape(_step(scheduler)) == [(1, 1, 1), (2, 0, 4)]


def test_a_short_prompt_does_not_wait_for_a_long_one() -> None:
    scheduler = _scheduler(n_batch=512, n_running=4)
    scheduler.add(_sequence(1, 4000))
    _step(scheduler)
    scheduler.add(_sequence(2, 20))
    assert _shape(_step(scheduler)) == [(2, 0, 20)]


def test_short_prompts_do_not_overtake_a_long_one_for_ever() -> None:
    scheduler = _scheduler(n_batch=512, n_running=4)
    scheduler.add(_sequence(1, 4000))
    _step(scheduler)
    computed = []
    for request_id in range(2, 8):
        scheduler.add(_sequence(request_id, 20))
        computed += [c.sequence.request_id for c in _step(scheduler)]
        scheduler.remove(request_id - 1 if request_id > 2 else 0)
    assert computed.count(1) >= 3


@given(st.lists(st.integers(2, 60), min_size=1, max_size=4))
def test_a_prompt_is_cut_the_same_beside_any_others_and_computed_apart(sizes: list[int]) -> None:
    """Only so does an answer on a CPU not depend on what runs beside it."""
    scheduler = _scheduler(n_batch=16, n_running=5)
    scheduler.add(_sequence(100, 50, max_tokens=None))
    for request_id, size in enumerate(sizes):
        scheduler.add(_sequence(request_id, size, max_tokens=None))
    cuts: list[tuple[int, int]] = []
    for _ in range(30):
        _admit(scheduler)
        for group in scheduler.schedule().groups:
            scheduler.advance(group)
            cuts += [(c.start, c.count) for c in group if c.sequence.request_id == 100]
            if any(chunk.count > 1 for chunk in group):
                assert len(group) == 1
            for chunk in group:
                if chunk.needs_logits:
                    chunk.sequence.tokens.append(7)
    assert cuts[:4] == [(0, 16), (16, 16), (32, 16), (48, 2)]


def test_where_a_gpu_computes_one_decode_takes_all_that_fits() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=3, n_cells=4096), n_batch=8, max_running=3, prompts_apart=False
    )
    scheduler.add(_sequence(1, 1))
    _step(scheduler)
    scheduler.add(_sequence(2, 3))
    scheduler.add(_sequence(3, 30))
    _admit(scheduler)
    groups = scheduler.schedule().groups
    assert [_shape(group) for group in groups] == [[(1, 1, 1), (2, 0, 3), (3, 0, 4)]]


def test_where_a_gpu_computes_a_long_prompt_takes_no_second_decode_beside_an_answer() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=2, n_cells=4096), n_batch=512, max_running=2, prompts_apart=False
    )
    scheduler.add(_sequence(1, 1, max_tokens=None))
    _step(scheduler)
    scheduler.add(_sequence(2, 2000))
    shapes = []
    for _ in range(3):
        _admit(scheduler)
        (group,) = scheduler.schedule().groups
        shapes.append([(c.sequence.request_id, c.count) for c in group])
        scheduler.advance(group)
        group[0].sequence.tokens.append(7)
    assert shapes == [[(1, 1), (2, 511)]] * 3


def test_guesses_leave_a_prompt_a_row_where_a_gpu_computes() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=2, n_cells=4096), n_batch=4, max_running=2, prompts_apart=False
    )
    guessing = _sequence(1, 1, max_tokens=None)
    scheduler.add(guessing)
    _step(scheduler)
    guessing.drafts[:] = [7, 7, 7]
    scheduler.add(_sequence(2, 20))
    assert _shape(_step(scheduler)) == [(1, 1, 1), (2, 0, 3)]


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
        scheduler.add(_sequence(1, 1, max_tokens=None))
        _step(scheduler)
        scored = Sequence(2, list(range(20)), 0, reuse=False, scores=True)
        scheduler.add(scored)
        scheduler.add(_sequence(3, 30))
        _admit(scheduler)
        groups = scheduler.schedule().groups
        alone = [[(3, 0, 30)]] if apart else []
        beside = [] if apart else [(3, 0, 30)]
        shapes = sorted(_shape(group) for group in groups)
        assert shapes == sorted([[(1, 1, 1), *beside], *alone, [(2, 0, 8)]])
        assert [c.n_outputs for group in groups for c in group if c.sequence is scored] == [8]
        scheduler.remove(1)
        scheduler.remove(3)
        for start in (0, 8, 16):
            (group,) = scheduler.schedule().groups
            assert _shape(group) == [(2, start, min(8, 20 - start))]
            assert group[0].n_outputs == group[0].count
            scheduler.advance(group)
            scored.n_scored = min(start + 8, 19) + 1
        assert not scored.is_scoring


def test_a_prompt_waits_until_it_fits_beside_the_others_with_room_for_an_answer() -> None:
    scheduler = _scheduler(n_batch=100, n_running=2, n_cells=100)
    scheduler.add(_sequence(1, 60))
    scheduler.add(_sequence(2, 35))  # and 8 tokens of an answer: 103
    assert _shape(_step(scheduler)) == [(1, 0, 60)]
    scheduler.remove(1)
    assert _shape(_step(scheduler)) == [(2, 0, 35)]


def test_where_the_cache_fills_the_youngest_is_put_back_and_computed_again_later() -> None:
    scheduler = _scheduler(n_batch=100, n_running=2, n_cells=100)
    scheduler.add(_sequence(1, 40))
    scheduler.add(_sequence(2, 40))
    _step(scheduler)
    old, young = 1, 2
    for _ in range(10):  # 20 more tokens, one of each in every step
        _step(scheduler)
    assert {c.sequence.request_id for c in _step(scheduler)} == {old}
    scheduler.remove(old)
    (chunk,) = _step(scheduler)
    assert chunk.sequence.request_id == young
    assert chunk.sequence.n_sampled == 12  # what it had is kept, and the next one is sampled
    assert chunk.sequence.n_computed == 51


def test_a_request_waits_for_the_one_that_computes_its_beginning_and_then_shares_it() -> None:
    scheduler = _scheduler(n_batch=100, n_running=2)
    system = list(range(190))
    scheduler.add(Sequence(1, [*system, 901], 8))
    scheduler.add(Sequence(2, [*system, 902], 8))
    assert _shape(_step(scheduler)) == [(1, 0, 100)]
    assert _shape(_step(scheduler)) == [(1, 100, 91)]
    assert _shape(_step(scheduler)) == [(1, 191, 1), (2, 190, 1)]


def test_without_reuse_everything_is_computed() -> None:
    scheduler = _scheduler(n_batch=100, n_kept=1)
    scheduler.add(Sequence(1, list(range(50)), 8))
    _step(scheduler)
    scheduler.remove(1)
    scheduler.add(Sequence(2, list(range(50)), 8, reuse=False))
    assert _shape(_step(scheduler)) == [(2, 0, 50)]


def test_removing_is_idempotent_in_every_phase() -> None:
    scheduler = _scheduler(n_batch=4)
    for request_id in (1, 2):
        scheduler.add(_sequence(request_id, 3))
    _step(scheduler)
    for _ in range(2):
        scheduler.remove(2)  # waiting
        scheduler.remove(1)  # running
    assert not scheduler.has_work


def test_a_shift_forgets_the_older_half_behind_the_kept_tokens() -> None:
    scheduler = _scheduler(n_batch=100, n_cells=20)
    sequence = Sequence(1, list(range(20)), 50)
    scheduler.add(sequence)
    _step(scheduler)
    sequence.tokens.pop()  # the cache is full: there is no cell for another
    assert scheduler.shift(sequence, keep=4) == 8
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
    scheduler = _scheduler(n_batch=16, n_running=3, n_cells=250, n_kept=2, append_only=append_only)
    for number, (n_prompt, n_answer, family) in enumerate(wishes):
        tokens = list(range(1000 * family, 1000 * family + n_prompt))
        scheduler.add(Sequence(number, tokens, n_answer))
    ended: set[int] = set()
    for _ in range(2000):
        for chunk in _step(scheduler):
            sequence = chunk.sequence
            if sequence.n_sampled == sequence.max_tokens:
                assert sequence.n_computed == len(sequence.tokens) - 1
                scheduler.remove(sequence.request_id)
                ended.add(sequence.request_id)
        if not scheduler.has_work:
            break
    assert ended == set(range(len(wishes)))


def _steady(request_id: int, n_prompt: int, until: int = 10_000) -> Sequence:
    sequence = _sequence(request_id, n_prompt)
    sequence.steady_until = until
    return sequence


def test_a_steady_prompt_is_cut_below_the_rows_that_ggml_puts_into_tiles() -> None:
    scheduler = _scheduler(n_batch=512)
    scheduler.add(_steady(1, 150))
    assert [_shape(_step(scheduler)) for _ in range(3)] == [
        [(1, 0, 63)],
        [(1, 63, 63)],
        [(1, 126, 24)],
    ]


def test_the_lone_row_of_a_steady_sequence_has_company_once_the_cache_is_long() -> None:
    scheduler = _scheduler(n_batch=512, n_running=2)
    scheduler.add(_steady(1, 250))
    lone = []
    for _ in range(12):
        (chunk,) = _step(scheduler)
        if chunk.count == 1:
            lone.append(chunk.has_company)
    assert lone == [False] * 6 + [True] * 2  # 250 to 255 cells before it, and then more
    scheduler.add(_sequence(2, 3))
    assert [c.has_company for c in _step(scheduler) + _step(scheduler)] == [True, False] + [
        False
    ] * 2


def test_company_ends_where_steadiness_does() -> None:
    scheduler = _scheduler(n_batch=512)
    scheduler.add(_steady(1, 260, until=262))
    chunks = [_step(scheduler)[0] for _ in range(9)]
    assert [c.has_company for c in chunks if c.count == 1] == [True, True, False, False]


def _rows(groups: list[list[Chunk]]) -> list[int]:
    return [sum(chunk.count for chunk in group) for group in groups]


def test_many_that_decode_are_shared_out_to_decodes_without_tiles_if_one_is_steady() -> None:
    scheduler = _scheduler(n_batch=512, n_running=130)
    sequences = [_sequence(number, 1) for number in range(129)]
    for sequence in sequences:
        scheduler.add(sequence)
    _step(scheduler)
    assert _rows(scheduler.schedule().groups) == [129]
    sequences[5].steady_until = 100
    groups = scheduler.schedule().groups
    assert _rows(groups) == [63, 66]
    assert groups[0][0].sequence is sequences[5]
    rest = [sequence for sequence in sequences if sequence is not sequences[5]]
    assert [c.sequence for group in groups for c in group] == [sequences[5], *rest]
    for sequence in sequences:
        sequence.steady_until = 100
    groups = scheduler.schedule().groups
    assert _rows(groups) == [43, 43, 43]  # and none of them is a lone row
    assert [c.sequence for group in groups for c in group] == sequences


def test_guesses_count_as_rows_and_stay_with_their_sequence() -> None:
    scheduler = _scheduler(n_batch=512, n_running=4)
    for number in range(4):
        scheduler.add(_steady(number, 1))
    _step(scheduler)
    for sequence in scheduler.decoding:
        sequence.drafts[:] = [7] * 16
    groups = scheduler.schedule().groups
    assert _rows(groups) == [34, 34]
    assert [chunk.count for group in groups for chunk in group] == [17] * 4


def test_what_one_shares_is_there_though_the_next_takes_the_slot_that_gave_it() -> None:
    scheduler = _scheduler(n_batch=500, n_running=2)
    chat = list(range(300))
    scheduler.add(Sequence(1, list(chat), 8))
    _step(scheduler)
    scheduler.remove(1)
    scheduler.add(Sequence(2, [*chat[:100], 901], 8))
    scheduler.add(_sequence(3, 50))
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
    scheduler = _scheduler(n_batch=100, n_running=3, append_only=True)
    prompt = list(range(190))
    for number in (1, 2):
        scheduler.add(Sequence(number, list(prompt), 8))
    scheduler.add(Sequence(3, [*prompt[:100], 903], 8))
    shapes = [_shape(_step(scheduler)) for _ in range(3)]
    assert shapes == [[(1, 0, 100)], [(1, 100, 89)], [(1, 189, 1), (2, 189, 1), (3, 0, 100)]]


def test_a_model_may_want_few_rows_in_a_decode_and_none_alone() -> None:
    scheduler = Scheduler(
        SlotTable(n_slots=8, n_cells=4096),
        n_batch=64,
        max_running=8,
        steady_rows=SteadyRows(most=3, lone_cells=0),
    )
    sequences = [Sequence(number, [number], None, steady_until=100) for number in range(7)]
    scheduler.add(sequences[0])
    _admit(scheduler)
    (lone,) = scheduler.schedule().groups
    assert [chunk.has_company for chunk in lone] == [True]
    for sequence in sequences[1:]:
        scheduler.add(sequence)
    _admit(scheduler)
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
