"""Which tokens a step computes, without any model."""

from __future__ import annotations

from minerva_desktop.engine.core.scheduler import Chunk, Scheduler, Sequence


def _sequence(request_id: int, n_prompt: int) -> Sequence:
    return Sequence(request_id, list(range(n_prompt)), max_tokens=None)


def _shape(chunks: list[Chunk]) -> list[tuple[int, int, int, bool]]:
    return [(c.sequence.request_id, c.start, c.count, c.needs_logits) for c in chunks]


def test_a_prompt_is_computed_in_chunks_and_asks_for_logits_at_its_end() -> None:
    scheduler = Scheduler(n_batch=4, n_seq_max=1)
    scheduler.add(_sequence(1, 10))
    steps = []
    for _ in range(3):
        chunks = scheduler.schedule()
        steps.append(_shape(chunks))
        scheduler.advance(chunks)
    assert steps == [[(1, 0, 4, False)], [(1, 4, 4, False)], [(1, 8, 2, True)]]


def test_a_sampled_token_is_a_chunk_of_one() -> None:
    scheduler = Scheduler(n_batch=4, n_seq_max=1)
    sequence = _sequence(1, 2)
    scheduler.add(sequence)
    scheduler.advance(scheduler.schedule())
    sequence.tokens.append(99)
    assert _shape(scheduler.schedule()) == [(1, 2, 1, True)]
    assert sequence.n_sampled == 1


def test_requests_beyond_the_slots_wait_and_are_admitted_oldest_first() -> None:
    scheduler = Scheduler(n_batch=8, n_seq_max=1)
    for request_id in (1, 2, 3):
        scheduler.add(_sequence(request_id, 2))
    assert [c.sequence.request_id for c in scheduler.schedule()] == [1]
    scheduler.remove(1)
    assert [c.sequence.request_id for c in scheduler.schedule()] == [2]


def test_decoding_sequences_come_before_prompts_so_that_no_prompt_stalls_them() -> None:
    scheduler = Scheduler(n_batch=4, n_seq_max=2)
    answering = _sequence(1, 1)
    scheduler.add(answering)
    scheduler.advance(scheduler.schedule())
    answering.tokens.append(7)
    scheduler.add(_sequence(2, 100))
    assert _shape(scheduler.schedule()) == [(1, 1, 1, True), (2, 0, 3, False)]


def test_removing_is_idempotent_and_frees_the_slot() -> None:
    scheduler = Scheduler(n_batch=4, n_seq_max=1)
    first = _sequence(1, 3)
    scheduler.add(first)
    scheduler.schedule()
    assert scheduler.remove(1) is first
    assert scheduler.remove(1) is None
    assert not scheduler.has_work
    scheduler.add(_sequence(2, 3))
    assert scheduler.schedule()[0].sequence.slot == first.slot


def test_a_waiting_request_can_be_removed() -> None:
    scheduler = Scheduler(n_batch=4, n_seq_max=1)
    scheduler.add(_sequence(1, 3))
    scheduler.add(_sequence(2, 3))
    scheduler.schedule()
    scheduler.remove(2)
    scheduler.remove(1)
    assert not scheduler.has_work


def test_nothing_is_recomputed_after_a_step_that_was_not_carried_out() -> None:
    scheduler = Scheduler(n_batch=4, n_seq_max=1)
    scheduler.add(_sequence(1, 6))
    assert _shape(scheduler.schedule()) == _shape(scheduler.schedule()) == [(1, 0, 4, False)]
