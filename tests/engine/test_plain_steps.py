"""Steps that are like the one before compute what they would if they were thought out anew."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.batch import Batch
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Chunk, Sequence
from minerva_desktop.engine.core.slots import SlotTable
from minerva_desktop.engine.core.window_cells import WindowCells
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from tests.engine.schedules import admit_all, new_sequence, take_step

Step = tuple[object, ...]


class _Drive:
    """A scheduler and what happens to it, the same for the same seed."""

    def __init__(self, seed: int, *, with_window: bool, on_gpu: bool) -> None:
        window = WindowCells(96, 32) if with_window else None
        slots = SlotTable(n_slots=6, n_cells=160, append_only=with_window, window=window)
        self.scheduler = Scheduler(
            slots,
            n_batch=4 if on_gpu else 24,  # a prompt beside three that write has one row
            max_running=4,
            n_outputs=24,
            prompts_apart=not on_gpu,
            keeps_company=not on_gpu,
        )
        self._append_only = with_window
        self._random = random.Random(seed)
        self._sequences: list[Sequence] = []
        self._given = 0

    def step(self) -> Step:
        """What one step computes, and where the tokens come to lie."""
        self._happen()
        scheduler = self.scheduler
        admit_all(scheduler)
        if not scheduler.has_work:
            return ()
        batch = scheduler.schedule()
        computed: list[object] = [[slot.index for slot in batch.evicted], batch.variant]
        for group in batch.groups:
            computed.append([(c.sequence.request_id, c.start, c.count, c.tokens) for c in group])
            if group is scheduler.plain:
                assert {(c.count, c.n_outputs, c.has_company) for c in group} == {(1, 1, False)}
            if self._random.random() < 0.03:
                self._fail(group)
                break
            scheduler.advance(group)
            computed.append([(c.slot.index, list(c.slot.cells), c.slot.n_steady) for c in group])
            for chunk in group:
                if chunk.sequence.is_scoring:
                    chunk.sequence.n_scored = chunk.start + chunk.count
                if chunk.needs_logits:
                    chunk.sequence.drafts.clear()
                    scheduler.reject(chunk.sequence, chunk.n_drafts)
                    chunk.sequence.tokens.append(self._random.randrange(1000))
        return (*computed, scheduler.cells.n_used)

    def _fail(self, group: list[Chunk]) -> None:
        """As where llama.cpp finds no room, or an abort ends it."""
        if self._random.random() < 0.3:
            self.scheduler.make_room()
            return
        self.scheduler.undone(group)
        if self._append_only:  # no older state to go back to
            for chunk in group:
                self.scheduler.lost(chunk.sequence)

    def _happen(self) -> None:
        chance = self._random.random()
        running = [s for s in self._sequences if s.slot is not None]
        if not self._sequences or chance < 0.03:
            self._given += 1
            sequence = new_sequence(self._given, self._random.randrange(1, 40))
            sequence.steady_until = self._random.choice((0, 0, 0, 0, 30, 1000))
            sequence.variant = self._random.choice(((), (), (), (), (0.5,)))
            sequence.scores = self._random.random() < 0.1
            sequence.reuse = not sequence.scores
            self._sequences.append(sequence)
            self.scheduler.add(sequence)
        elif running and chance < 0.09:
            self.scheduler.remove(running[0].request_id)
            self._sequences.remove(running[0])
        elif running and chance < 0.12:
            decoding = self.scheduler.decoding
            for sequence in decoding:
                sequence.drafts[:] = [self._random.randrange(1000)]
        elif running and chance < 0.15:
            sequence = self._random.choice(running)
            if sequence.n_computed > 8 and not sequence.is_prompt:
                self.scheduler.shift(sequence, 4, can_move=True)
        for sequence in running:
            if len(sequence.tokens) > 120:
                self.scheduler.remove(sequence.request_id)
                self._sequences.remove(sequence)


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize("with_window", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_step_like_the_last_one_is_what_it_would_be_anyway(
    seed: int, with_window: bool, on_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = _Drive(seed, with_window=with_window, on_gpu=on_gpu)
    n_plain, steps = 0, []
    for _ in range(400):
        before = drive.scheduler.plain
        steps.append(drive.step())
        n_plain += drive.scheduler.plain is not None and drive.scheduler.plain is before
    assert n_plain > 30
    monkeypatch.setattr(Batch, "is_plain", lambda *_, **__: False)
    anew = _Drive(seed, with_window=with_window, on_gpu=on_gpu)
    for number, step in enumerate(steps):
        assert anew.step() == step, number


def test_a_cut_that_makes_a_sequence_steady_again_ends_the_plain_steps() -> None:
    scheduler = Scheduler(SlotTable(n_slots=1, n_cells=64), n_batch=8, max_running=1)
    sequence = new_sequence(1, 6, max_tokens=None)
    sequence.steady_until = 7
    scheduler.add(sequence)
    while len(sequence.tokens) < 10:
        take_step(scheduler)
    assert scheduler.plain is not None
    scheduler.shift(sequence, 2, can_move=True)
    assert sequence.is_steady
    take_step(scheduler)
    assert scheduler.plain is None


async def test_an_answer_that_nobody_compares_is_the_one_that_all_compare(
    quantised_path: Path,
) -> None:
    # With one candidate there is nothing to draw, but it is no greedy answer: its steps are plain.
    drawn = SamplingParameters(temperature=1.0, top_k=1, max_tokens=90, ignore_eos=True)
    greedy = msgspec.structs.replace(drawn, temperature=0.0)
    prompt = "The first thing that a sailor learns is"
    engine = LlamaEngine(quantised_path)
    await engine.load(options=LoadOptions(n_ctx=512))
    try:
        texts = [await engine.generate(prompt, sampling=each).text() for each in (greedy, drawn)]
    finally:
        await engine.unload()
    assert texts[0] == texts[1]
    assert len(texts[0]) > 200
