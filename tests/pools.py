"""A pool of real engines as `runtime` makes it, with the budget that a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from minerva_desktop.devices.ledgers import Needs, cpu_ledgers
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.engine.pool_events import LoadChoice, PoolEvent
from minerva_desktop.load_choice import model_needs

GB = 10**9
RealPool = ModelPool[LlamaEngine]


def real_pool(
    options: LoadOptions,
    *,
    budget: int = 4 * GB,
    on_event: Callable[[PoolEvent], None] | None = None,
) -> RealPool:
    """``budget`` in bytes."""

    async def choose(path: Path, options: LoadOptions, _kept: Needs) -> LoadChoice:
        return LoadChoice(options, await asyncio.to_thread(model_needs, path, options))

    return ModelPool(
        lambda path, on_death: LlamaEngine(path, on_death=on_death),
        ledgers=cpu_ledgers(budget),
        choose=choose,
        options=options,
        on_event=on_event,
    )
