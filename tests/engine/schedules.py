"""A scheduler of few slots, and what its steps compute: for tests without a model."""

from __future__ import annotations

from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slots import SlotTable


def new_scheduler(
    *,
    n_batch: int = 4,
    n_running: int = 1,
    n_cells: int = 4096,
    n_kept: int = 0,
    append_only: bool = False,
) -> Scheduler:
    slots = SlotTable(n_slots=n_running + n_kept, n_cells=n_cells, append_only=append_only)
    return Scheduler(slots, n_batch=n_batch, max_running=n_running)


def new_sequence(request_id: int, n_prompt: int, *, max_tokens: int | None = 8) -> Sequence:
    first = 100_000 * request_id  # no two of them begin alike
    return Sequence(request_id, list(range(first, first + n_prompt)), max_tokens)


def admit_all(scheduler: Scheduler) -> None:
    while scheduler.admit() is not None:
        pass


def take_step(scheduler: Scheduler) -> list[Chunk]:
    admit_all(scheduler)
    chunks = [chunk for group in scheduler.schedule().groups for chunk in group]
    scheduler.advance(chunks)
    for chunk in chunks:
        if chunk.needs_logits:
            chunk.sequence.tokens.append(-len(chunk.sequence.tokens))  # nobody guesses that
    return chunks


def shape_of(chunks: list[Chunk]) -> list[tuple[int, int, int]]:
    return [(c.sequence.request_id, c.start, c.count) for c in chunks]
