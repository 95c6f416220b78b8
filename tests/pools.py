"""Pools for tests: of real engines as `runtime` makes it, and of scripted ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU, Needs, cpu_ledgers
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.engine.pool_events import GoneCause, LoadChoice, ModelGone, PoolEvent
from minerva_desktop.engine.pool_idleness import ABANDONED_SECONDS
from minerva_desktop.errors import EngineDied, ModelLoadError
from minerva_desktop.load_choice import model_needs
from tests.fakes import ScriptedEngine

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
        ledgers=cpu_ledgers(budget, is_strict=True),
        choose=choose,
        options=options,
        on_event=on_event,
    )


GPU = "CUDA0"
CPU_BUDGET = 100
GPU_BUDGET = 50
# Bytes by name; the load of the bad one fails after room was made for it.
NEEDS: Mapping[str, Needs] = {
    "small": {CPU: 20},
    "medium": {CPU: 40},
    "large": {CPU: 70},
    "huge": {CPU: 130},
    "bad": {CPU: 60},
    "split": {CPU: 30, GPU: 40},
    "offloaded": {GPU: 30},
}


class Scripted:
    """A pool whose engines load at once and end at once, unless ``holds_loads`` and ``holds_ends``
    keep the next ones from it. It knows the models of ``needs`` (bytes by device) in /models; a
    name may be followed by a comma and ``n_ctx``, for those that such a load needs."""

    def __init__(
        self, needs: Mapping[str, Needs] = NEEDS, *, abandoned_seconds: float = ABANDONED_SECONDS
    ) -> None:
        self.needs = dict(needs)
        self.holds_loads = self.holds_ends = False
        self.beside: Needs = {}  # as in `LoadChoice`, of all of them
        self.choice_failure: type[Exception] | None = None
        self.choice_turns = 1  # of the loop, which a choice takes
        self.engine_kind = ScriptedEngine
        self.events: list[PoolEvent] = []
        self.listen: Callable[[PoolEvent], None] = self.events.append
        self.engines: list[tuple[Path, ScriptedEngine]] = []
        self.ledgers = cpu_ledgers(CPU_BUDGET, is_strict=True)
        self.ledgers.add(GPU, GpuDevice.CUDA, GPU_BUDGET)
        self.pool: ModelPool[ScriptedEngine] = ModelPool(
            self._make,
            ledgers=self.ledgers,
            choose=self._choose,
            on_event=self._tell,
            abandoned_seconds=abandoned_seconds,
            is_there=_is_there,
        )

    @property
    def allocated(self) -> int:
        """Bytes that the ledgers count, on all devices together."""
        return sum(context.allocated_memory() for context in self.ledgers.contexts.values())

    def gone(self) -> list[tuple[str, GoneCause]]:
        """What went so far, and why."""
        return [(e.path.name, e.cause) for e in self.events if isinstance(e, ModelGone)]

    async def use(self, *paths: Path) -> None:
        """Lease each for a moment, one after the other."""
        for path in paths:
            async with self.pool.lease(path):
                pass

    def let_go(self) -> None:
        """All engines may load and end, those to come too."""
        self.holds_loads = self.holds_ends = False
        for _, engine in self.engines:
            engine.may_load.set()
            engine.may_end.set()

    def _tell(self, event: PoolEvent) -> None:
        self.listen(event)

    def _make(self, path: Path, on_death: Callable[[EngineDied], None]) -> ScriptedEngine:
        failure = ModelLoadError("It is bad") if path.name == "bad" else None
        engine = self.engine_kind(self.needs[path.name], on_death, failure)
        if not self.holds_loads:
            engine.may_load.set()
        if self.holds_ends:
            engine.may_end.clear()
        self.engines.append((path, engine))
        return engine

    async def _choose(self, path: Path, options: LoadOptions, _kept: Needs) -> LoadChoice:
        await turns(self.choice_turns)
        if self.choice_failure is not None:
            raise self.choice_failure("nothing can be chosen")
        needs = self.needs.get(f"{path.name}, {options.n_ctx}", self.needs[path.name])
        return LoadChoice(options, needs, beside=self.beside)


async def _is_there(_path: Path) -> bool:
    await turns(2)  # as a thread that asks the disk takes
    return True


def model(name: str) -> Path:
    """The path of one of the scripted models."""
    return Path("/models") / name


async def turns(n: int) -> None:
    """Let the loop run so many times."""
    for _ in range(n):
        await asyncio.sleep(0)


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop run until something is so, for 10,000 turns at most."""
    for _ in range(10_000):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")
