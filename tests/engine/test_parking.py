"""Kept chats wait outside of the cache while a short answer runs by itself, and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions, LoraAdapter, SnapshotOptions
from tests.engine.models import write_lora
from tests.engine.schedules import new_scheduler, new_sequence, take_step

GREEDY = SamplingParameters(temperature=0.0, max_tokens=24, ignore_eos=True, top_logprobs=0)
SHAPE = {"n_layers": 2, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
OPTIONS = LoadOptions(n_ctx=2048, n_threads=2)
SHORT = "The harbour town lay quiet."
CHAT = tuple(range(1000, 1228))
TURN = (*CHAT, 11, 12, 13)  # with its answer 255 tokens
Start = Callable[..., Awaitable[LlamaEngine]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Load a model, and unload it at the test's end."""
    engines: list[LlamaEngine] = []

    async def load(path: Path, options: LoadOptions = OPTIONS) -> LlamaEngine:
        engines.append(LlamaEngine(path))
        await engines[-1].load(options=options)
        return engines[-1]

    yield load
    for engine in engines:
        await engine.unload()


async def _scores(
    engine: LlamaEngine, prompt: str | tuple[int, ...], **options: object
) -> tuple[list[float], Completion]:
    stream = engine.generate(prompt, sampling=GREEDY, **options)  # type: ignore[arg-type]
    completion = await stream.wait_completion()
    return [each.logprob for each in stream.logprobs], completion


def _n_used(engine: LlamaEngine) -> int:
    return engine.get_context_info().n_used_cells


async def test_a_short_answer_has_the_cache_alone_and_the_chat_comes_back(
    start: Start, quantised_path: Path
) -> None:
    """With layers as those of the embedded model. The same to the last bit: the short answer as in
    an empty cache, and the chat's next turn as where nothing was ever moved."""
    engine = await start(quantised_path)
    await engine.generate(CHAT, 1, sampling=GREEDY).text()
    unmoved, done = await _scores(engine, TURN)
    assert done.timings.cached_tokens == len(CHAT)
    engine = await start(quantised_path)
    alone, _ = await _scores(engine, SHORT)
    await engine.generate(CHAT, 1, sampling=GREEDY).text()
    again, _ = await _scores(engine, SHORT, cache_prompt=False)
    assert _n_used(engine) == 0  # neither the chat's, nor those of an answer that leaves nothing
    found, done = await _scores(engine, TURN)
    assert done.timings.cached_tokens == len(CHAT)
    assert (again, found) == (alone, unmoved)


async def test_what_several_chats_begin_with_is_shared_though_it_is_parked(
    start: Start, generated: Callable[..., Path]
) -> None:
    engine = await start(generated("llama", **SHAPE, type_name="Q4_1"))
    long = tuple(range(500, 800))
    # With a seed, for what was computed without one is of no use to a short greedy answer.
    await engine.generate(long, 1, sampling=SamplingParameters(seed=1)).text()
    _, short = await _scores(engine, SHORT)
    assert _n_used(engine) == short.timings.prompt_tokens + 23
    for n_shared in (100, 200):
        _, other = await _scores(engine, (*long[:n_shared], 7))
        assert other.timings.cached_tokens == n_shared
    # The first chat is still there, whole.
    _, first = await _scores(engine, (*long, 7))
    assert first.timings.cached_tokens == 300


async def test_what_is_parked_counts_as_kept_and_belongs_to_its_adapters(
    start: Start, generated: Callable[..., Path], tmp_path: Path
) -> None:
    path = generated("llama", **SHAPE, type_name="Q4_1")
    lora = tmp_path / "adapter.gguf"
    write_lora(lora, path, seed=1, strength=1.0)
    engine = await start(path, LoadOptions(n_ctx=2048, lora=(LoraAdapter(bytes(lora), 1.0),)))
    numbers = [tuple(range(start, start + 120)) for start in range(1000, 5000, 400)]
    for chat in numbers:  # ten, and there are eight slots
        await _scores(engine, chat)
    _, with_others = await _scores(engine, (*numbers[-1], 7), lora=(0.5,))
    assert with_others.timings.cached_tokens == 0
    _, newest = await _scores(engine, (*numbers[-2], 7))
    assert newest.timings.cached_tokens == 120
    _, fourth = await _scores(engine, (*numbers[3], 7))  # of those that are kept the oldest
    assert fourth.timings.cached_tokens == 120
    _, oldest = await _scores(engine, (*numbers[0], 7))
    assert oldest.timings.cached_tokens == 0


async def test_a_chat_that_is_still_to_be_saved_stays_where_it_is(
    start: Start, generated: Callable[..., Path], tmp_path: Path
) -> None:
    snapshots = SnapshotOptions(bytes(tmp_path), 1 << 30)
    options = LoadOptions(n_ctx=2048, n_threads=2, snapshots=snapshots)
    engine = await start(generated("llama", **SHAPE, type_name="Q4_1"), options)
    long = tuple(range(500, 800))
    await engine.generate(long, 2, snapshot="chat-1").text()
    _, short = await _scores(engine, SHORT)
    assert _n_used(engine) == 301 + short.timings.prompt_tokens + 23


@pytest.mark.parametrize(
    ("n_prompt", "max_tokens", "steady_until", "gains"),
    [
        (60, 96, 256, True),
        (60, 96, 10_000, True),  # with a seed
        (60, None, 256, True),  # up to there
        (60, None, 10_000, False),  # it will need company all the same
        (60, 96, 0, False),  # not steady: ggml may share it out
        (160, 96, 10_000, True),
        (161, 96, 10_000, False),
        (60, 15, 256, False),  # too few to be worth it
        (300, 96, 256, False),
    ],
)
def test_who_gains_by_an_empty_cache(
    n_prompt: int, max_tokens: int | None, steady_until: int, gains: bool
) -> None:
    scheduler = new_scheduler(n_batch=512, n_running=2, n_kept=2)
    scheduler.use_threads(2)
    scheduler.add(new_sequence(1, 200))
    take_step(scheduler)
    sequence = new_sequence(2, n_prompt, max_tokens=max_tokens)
    sequence.steady_until = steady_until
    scheduler.add(sequence)
    assert scheduler.next_alone() is None  # another runs
    scheduler.remove(1)
    assert [slot.n_held for slot in scheduler.kept()] == [200]
    assert (scheduler.next_alone() is sequence) == gains
    scheduler.add(new_sequence(3, 10))
    assert scheduler.next_alone() is None  # another will run with it


def test_nobody_gains_where_all_that_is_in_use_and_to_come_is_little() -> None:
    scheduler = new_scheduler(n_batch=512, n_running=2, n_kept=2)
    scheduler.use_threads(2)
    scheduler.add(new_sequence(1, 100))
    take_step(scheduler)
    scheduler.remove(1)
    sequence = new_sequence(2, 60, max_tokens=96)
    sequence.steady_until = 256
    scheduler.add(sequence)
    assert scheduler.next_alone() is None
