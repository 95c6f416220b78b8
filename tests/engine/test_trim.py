"""Memory that other programs need: what a real child gives back of its own, and stays loaded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

# A token takes 32 KB of the cache, and hardly any time.
SHAPE = {"n_layers": 4, "width": 64, "n_heads": 8, "kv_heads": 8, "feed": 128, "head": 256}
# With a seed, so that what is computed again is the same to the last bit.
GREEDY = SamplingParameters(temperature=0.0, seed=1, max_tokens=17, ignore_eos=True, top_logprobs=0)
SHORT = "The harbour town lay quiet."
CHAT = tuple(range(500, 900))
CHAT_BYTES = len(CHAT) * 4 * 2 * 8 * 256 * 2  # layers, keys and values, heads, their size, f16


@pytest.fixture
async def engine(generated: Callable[..., Path]) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(generated("llama", **SHAPE, type_name="Q4_1"))
    await engine.load(options=LoadOptions(n_ctx=2048, n_threads=2))
    yield engine
    await engine.unload()


async def _scores(
    engine: LlamaEngine, prompt: str | tuple[int, ...]
) -> tuple[list[float], Completion]:
    stream = engine.generate(prompt, sampling=GREEDY)
    completion = await stream.wait_completion()
    return [each.logprob for each in stream.logprobs], completion


def _resident(engine: LlamaEngine) -> int:
    assert engine.pid is not None
    return int(psutil.Process(engine.pid).memory_info().rss)


async def test_a_parked_chat_is_given_back_and_computed_anew(engine: LlamaEngine) -> None:
    first, begun = await _scores(engine, CHAT)
    short, _ = await _scores(engine, SHORT)  # which the chat makes way for
    before = _resident(engine)
    n_bytes = await engine.trim()
    assert n_bytes == pytest.approx(CHAT_BYTES, rel=0.2)
    assert before - _resident(engine) == pytest.approx(n_bytes, rel=0.1)
    assert (await _scores(engine, SHORT))[0] == short
    again, done = await _scores(engine, CHAT)
    assert (done.timings.cached_tokens, begun.timings.cached_tokens) == (0, 0)
    assert again == first
    # There is nothing left of it to give back.
    assert await engine.trim() < CHAT_BYTES / 4


@pytest.mark.parametrize(("n_bytes", "n_cached"), [(CHAT_BYTES * 2, 400), (CHAT_BYTES // 2, 0)])
async def test_no_more_is_parked_than_the_memory_for_models_leaves(
    engine: LlamaEngine, n_bytes: int, n_cached: int
) -> None:
    await _scores(engine, CHAT)
    await _scores(engine, SHORT)
    engine.limit_parking(n_bytes)  # what waits already counts
    _, done = await _scores(engine, (*CHAT, 7))
    assert done.timings.cached_tokens == n_cached


async def test_nobody_makes_way_where_no_memory_is_left(engine: LlamaEngine) -> None:
    engine.limit_parking(0)
    await _scores(engine, CHAT)
    await _scores(engine, SHORT)
    assert engine.get_context_info().n_used_cells > len(CHAT)
    _, done = await _scores(engine, (*CHAT, 7))
    assert done.timings.cached_tokens == len(CHAT)
