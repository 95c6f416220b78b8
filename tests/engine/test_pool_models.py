"""Real models side by side: more of them than the memory holds, and many rounds of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import GoneCause, ModelGone, PoolEvent
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.load_choice import model_needs
from minerva_desktop.runtime import Runtime
from tests.pools import RealPool, real_pool

MB = 10**6
OPTIONS = LoadOptions(n_ctx=512, n_parallel=2)
GREEDY = SamplingParameters(temperature=0.0)
ROUNDS = 60
SETTLED = 20  # rounds after which nothing may grow any more


async def _write(pool: RealPool, path: Path) -> str:
    async with pool.lease(path) as engine:
        return await engine.generate("The sea is", 4, sampling=GREEDY).text()


async def test_three_models_at_once_where_two_fit(
    model_path: Path, generated: Callable[..., Path], tmp_path: Path
) -> None:
    """Each is asked three times, in turn and all at once; two of the three fit at any time."""
    third = tmp_path / "third.gguf"
    third.symlink_to(model_path)
    paths = [model_path, generated("gemma2"), third]
    needs = [sum(model_needs(path, OPTIONS).values()) for path in paths]
    budget = max(needs) + min(needs) + 10 * MB
    assert sum(needs) > budget
    events: list[PoolEvent] = []
    pool = real_pool(OPTIONS, budget=budget, on_event=events.append)
    ledger = pool.ledgers.contexts[CPU]
    texts: dict[Path, set[str]] = {path: set() for path in paths}
    for _ in range(2):
        for path in paths:
            texts[path].add(await _write(pool, path))
            assert ledger.allocated_memory() <= budget
            assert ledger.allocated_memory() == sum(
                sum(pool.held(loaded).values()) for loaded in pool.loaded()
            )
    assert len(pool.loaded()) == 2
    pair = paths[:2]
    for path, text in zip(
        pair, await asyncio.gather(*(_write(pool, path) for path in pair)), strict=True
    ):
        texts[path].add(text)
    assert all(len(said) == 1 for said in texts.values())
    gone = [event for event in events if isinstance(event, ModelGone)]
    assert gone
    assert {event.cause for event in gone} == {GoneCause.ROOM}
    await pool.close()
    assert ledger.allocated_memory() == 0


@pytest.mark.slow
async def test_many_rounds_leave_nothing_behind(small_catalog: Catalog, small_path: Path) -> None:
    runtime = Runtime(small_catalog, OPTIONS)
    process = psutil.Process()
    memory: list[int] = []
    files: list[int] = []
    for _ in range(ROUNDS):
        async with runtime.pool.lease(small_path) as engine:
            assert await engine.generate("The sea is", 1, sampling=GREEDY).text()
        await runtime.pool.unload(small_path)
        memory.append(process.memory_info().rss)
        files.append(process.num_fds())
    assert max(files[SETTLED:]) <= max(files[:SETTLED])
    assert max(memory[-SETTLED:]) - max(memory[:SETTLED]) < MB
    await runtime.close()
