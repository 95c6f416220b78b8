"""Answers that take nothing from anybody: what other chats left in the cache stays there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import LoadCancelled

SHAPE = {"n_layers": 1, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
GREEDY = SamplingParameters(temperature=0.0, max_tokens=8, ignore_eos=True)
ASIDE = SamplingParameters(temperature=0.0, max_tokens=8, ignore_eos=True, seed=0)
CHAT = tuple(range(500, 900))
OTHER = tuple(range(2000, 2100))


async def _loaded(path: Path, n_ctx: int) -> LlamaEngine:
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=n_ctx, n_parallel=1, n_threads=1))
    return engine


async def _n_cached(engine: LlamaEngine, prompt: tuple[int, ...]) -> int:
    completion = await engine.generate(prompt, sampling=GREEDY).wait_completion()
    return completion.timings.cached_tokens


async def test_it_runs_where_there_is_room_and_leaves_nothing(
    generated: Callable[..., Path],
) -> None:
    engine = await _loaded(generated("llama", **SHAPE, type_name="Q4_1"), 1024)
    await engine.generate(CHAT, sampling=GREEDY).text()
    n_used = engine.get_context_info().n_used_cells
    for _ in range(20):  # more than there are slots
        stream = engine.generate(OTHER, sampling=ASIDE, makes_way=True)
        assert (await stream.wait_completion()).timings.completion_tokens == 8
    assert engine.get_context_info().n_used_cells == n_used
    assert await _n_cached(engine, CHAT) == len(CHAT) - 1
    await engine.unload()


async def test_it_does_not_begin_where_a_chat_would_have_to_go(
    generated: Callable[..., Path],
) -> None:
    engine = await _loaded(generated("llama", **SHAPE, type_name="Q4_1"), 512)
    await engine.generate(CHAT, sampling=GREEDY).text()
    with pytest.raises(LoadCancelled, match="no room beside"):
        await engine.generate(OTHER, sampling=ASIDE, makes_way=True).text()
    assert await _n_cached(engine, CHAT) == len(CHAT) - 1
    await engine.unload()
