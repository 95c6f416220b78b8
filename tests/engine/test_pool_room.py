"""Who goes for whom, by bytes: the pool with scripted engines and real ledgers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from minerva_desktop.devices.ledgers import CPU, Needs, cpu_ledgers
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    ModelGone,
    ModelReady,
    PoolEvent,
)
from minerva_desktop.errors import (
    EngineDied,
    LoadCancelled,
    MinervaError,
    ModelLoadError,
    OutOfMemory,
)
from tests.fakes import ScriptedEngine

BUDGET = 100
# Bytes by name; the bad one's load fails after room was made for it.
SIZES = {"small": 20, "medium": 40, "large": 70, "huge": 130, "bad": 60}
SMALL, MEDIUM, LARGE, HUGE, BAD = (Path("/models") / name for name in SIZES)


class Scripted:
    """A pool whose engines load at once, unless ``hold`` keeps them."""

    def __init__(self) -> None:
        self.hold = False
        self.events: list[PoolEvent] = []
        self.engines: list[tuple[Path, ScriptedEngine]] = []
        self.ledgers = cpu_ledgers(BUDGET)
        self.pool: ModelPool[ScriptedEngine] = ModelPool(
            self._make, ledgers=self.ledgers, choose=self._choose, on_event=self.events.append
        )

    @property
    def allocated(self) -> int:
        return self.ledgers.contexts[CPU].allocated_memory()

    def gone(self) -> list[tuple[str, GoneCause]]:
        return [(e.path.name, e.cause) for e in self.events if isinstance(e, ModelGone)]

    async def use(self, *paths: Path) -> None:
        for path in paths:
            async with self.pool.lease(path):
                pass

    def _make(self, path: Path, on_death: Callable[[EngineDied], None]) -> ScriptedEngine:
        failure = ModelLoadError("It is bad") if path == BAD else None
        engine = ScriptedEngine(SIZES[path.name], on_death, failure)
        if not self.hold:
            engine.may_load.set()
        self.engines.append((path, engine))
        return engine

    async def _choose(self, path: Path, options: LoadOptions, _kept: Needs) -> LoadChoice:
        await asyncio.sleep(0)
        return LoadChoice(options, {CPU: SIZES[path.name]})


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


async def test_what_fits_stays_side_by_side(scripted: Scripted) -> None:
    await scripted.use(SMALL, LARGE)
    assert scripted.pool.loaded() == [LARGE, SMALL]
    assert scripted.allocated == 90


async def test_the_least_recently_used_goes_and_no_more_than_it_takes(scripted: Scripted) -> None:
    await scripted.use(SMALL, MEDIUM, SMALL)
    plan = await scripted.pool.plan(LARGE)
    assert (plan.unloads, plan.n_freed, plan.missing) == ((MEDIUM,), 40, {})
    assert scripted.pool.loaded() == [SMALL, MEDIUM]  # only a plan so far
    await scripted.use(LARGE)
    assert scripted.pool.loaded() == [LARGE, SMALL]
    assert ModelGone(MEDIUM, cause=GoneCause.ROOM, room_for=LARGE) in scripted.events
    ready = [event for event in scripted.events if isinstance(event, ModelReady)]
    assert ready[-1].unloaded == (MEDIUM,)


async def test_a_leased_or_pinned_model_never_goes(scripted: Scripted) -> None:
    async with scripted.pool.lease(MEDIUM):
        with pytest.raises(OutOfMemory, match="40 bytes"):
            await scripted.use(LARGE)
    scripted.pool.pin(MEDIUM, pinned=True)
    with pytest.raises(OutOfMemory):
        await scripted.use(LARGE)
    scripted.pool.pin(MEDIUM, pinned=False)
    await scripted.use(LARGE)
    assert scripted.pool.loaded() == [LARGE]


async def test_when_others_need_memory_the_least_recently_used_goes_and_it_is_told(
    scripted: Scripted,
) -> None:
    await scripted.use(SMALL, MEDIUM)
    scripted.pool.pin(SMALL, pinned=True)
    short = OutOfMemory("only 1 MB left")
    assert scripted.pool.relieve(short) == MEDIUM
    await scripted.pool.close()
    assert ModelGone(MEDIUM, short, GoneCause.PRESSURE) in scripted.events
    assert scripted.allocated == 0


async def test_a_model_in_use_stays_however_short_memory_is(scripted: Scripted) -> None:
    async with scripted.pool.lease(MEDIUM):
        assert scripted.pool.relieve(OutOfMemory("only 1 MB left")) is None
        assert scripted.pool.loaded() == [MEDIUM]
    await scripted.pool.close()


async def test_what_can_never_fit_is_refused_and_nothing_goes_for_it(scripted: Scripted) -> None:
    await scripted.use(SMALL)
    with pytest.raises(OutOfMemory, match="130 bytes > 100 bytes"):
        await scripted.use(HUGE)
    assert scripted.pool.loaded() == [SMALL]
    assert (await scripted.pool.plan(HUGE)).missing == {CPU: 30}


async def test_a_person_may_load_it_anyway(scripted: Scripted) -> None:
    await scripted.use(SMALL)
    async with scripted.pool.lease(HUGE, forced=True):
        assert scripted.allocated == 130
        assert scripted.pool.loaded() == [HUGE]
    await scripted.use(SMALL)
    assert scripted.pool.loaded() == [SMALL]
    assert scripted.allocated == 20


async def test_a_load_that_fails_leaves_the_pool_as_it_was(scripted: Scripted) -> None:
    await scripted.use(SMALL, MEDIUM)
    with pytest.raises(ModelLoadError):
        await scripted.use(BAD)
    await scripted.use(SMALL)  # it was loaded again, or is about to be
    assert set(scripted.pool.loaded()) == {SMALL, MEDIUM}
    assert scripted.allocated == 60


async def test_a_load_that_is_given_up_brings_back_what_went_for_it(scripted: Scripted) -> None:
    await scripted.use(MEDIUM)
    scripted.hold = True
    load = asyncio.create_task(scripted.use(LARGE))
    while scripted.engines[-1][0] != LARGE or scripted.engines[-1][1].pid is None:
        await asyncio.sleep(0)
    scripted.hold = False
    scripted.pool.cancel_load(LARGE)
    with pytest.raises(LoadCancelled):
        await load
    await scripted.use(MEDIUM)
    assert scripted.pool.loaded() == [MEDIUM]
    assert scripted.allocated == 40


async def test_two_loads_at_once_do_not_count_the_same_memory(scripted: Scripted) -> None:
    results = await asyncio.gather(
        scripted.use(LARGE), scripted.use(MEDIUM), return_exceptions=True
    )
    # The one that came second makes the other go if that is idle by then, or does not fit.
    assert [r for r in results if r is not None and not isinstance(r, OutOfMemory)] == []
    assert scripted.allocated <= BUDGET


async def test_a_dead_engine_gives_its_memory_back(scripted: Scripted) -> None:
    await scripted.use(LARGE)
    scripted.engines[0][1].die()
    assert scripted.allocated == 0
    assert scripted.gone() == [("large", GoneCause.FAILED)]


async def test_an_idle_model_goes_when_its_time_is_over(scripted: Scripted) -> None:
    scripted.pool.idle_seconds = 0.01
    scripted.pool.set_idle_seconds(MEDIUM, None)
    scripted.pool.pin(SMALL, pinned=True)
    async with scripted.pool.lease(SMALL), scripted.pool.lease(MEDIUM):
        pass
    async with scripted.pool.lease(SMALL):
        await scripted.use(MEDIUM)
    scripted.pool.pin(SMALL, pinned=False)
    async with asyncio.timeout(5):
        while not scripted.gone():
            await asyncio.sleep(0.005)
    assert scripted.gone() == [("small", GoneCause.IDLE)]
    assert scripted.pool.loaded() == [MEDIUM]


class PoolMachine(RuleBasedStateMachine):
    """Any order of loads, uses, ends, crashes and pins."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.scripted = Scripted()
        self.leases: list[tuple[Path, AsyncExitStack]] = []
        self.waiting: list[tuple[Path, asyncio.Task[AsyncExitStack]]] = []

    def run(self) -> None:
        """Let all tasks go as far as they come."""

        async def turns() -> None:
            for _ in range(30):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        for path, task in self.waiting:
            if task.done() and task.exception() is None:
                self.leases.append((path, task.result()))
            elif task.done():
                assert isinstance(task.exception(), MinervaError)
        self.waiting = [item for item in self.waiting if not item[1].done()]

    @rule(name=st.sampled_from(sorted(SIZES)), holds=st.booleans())
    def lease(self, name: str, holds: bool) -> None:
        async def take() -> AsyncExitStack:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.scripted.pool.lease(Path("/models") / name))
                return stack.pop_all()

        self.scripted.hold = holds
        self.waiting.append((Path("/models") / name, self.loop.create_task(take())))
        self.run()

    @rule()
    def loads_go_on(self) -> None:
        for _, engine in self.scripted.engines:
            engine.may_load.set()
        self.run()

    @rule(index=st.integers(0, 9))
    def release(self, index: int) -> None:
        if self.leases:
            _, stack = self.leases.pop(index % len(self.leases))
            self.loop.run_until_complete(stack.aclose())

    @rule(name=st.sampled_from(sorted(SIZES)), pinned=st.booleans())
    def pin(self, name: str, pinned: bool) -> None:
        self.scripted.pool.pin(Path("/models") / name, pinned=pinned)

    @rule(name=st.sampled_from(sorted(SIZES)))
    def unload(self, name: str) -> None:
        self.loop.run_until_complete(self.scripted.pool.unload(Path("/models") / name))

    @rule(name=st.sampled_from(sorted(SIZES)))
    def cancel(self, name: str) -> None:
        self.scripted.pool.cancel_load(Path("/models") / name)
        self.run()

    @rule(name=st.sampled_from(sorted(SIZES)))
    def crash(self, name: str) -> None:
        engine = self.scripted.pool.loaded_engine(Path("/models") / name)
        if engine is not None:
            engine.die()

    @invariant()
    def the_ledger_counts_what_is_there(self) -> None:
        held = [self.scripted.pool.held(Path("/models") / name) for name in SIZES]
        assert sum(sum(needs.values()) for needs in held) == self.scripted.allocated
        assert self.scripted.allocated <= BUDGET

    @invariant()
    def none_that_is_in_use_or_pinned_goes_for_another(self) -> None:
        in_use = {path for path, _ in self.leases}
        for event in self.scripted.events:
            if isinstance(event, ModelGone) and event.cause is GoneCause.ROOM:
                assert event.path not in in_use
                assert not self.scripted.pool.is_pinned(event.path)
        self.scripted.events.clear()

    def teardown(self) -> None:
        for _, engine in self.scripted.engines:
            engine.may_load.set()
        self.run()
        for _, stack in self.leases:
            self.loop.run_until_complete(stack.aclose())
        self.loop.run_until_complete(self.scripted.pool.close())
        self.run()
        assert self.scripted.allocated == 0
        assert all(engine.pid is None for _, engine in self.scripted.engines)
        self.loop.close()


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPoolMachine = PoolMachine.TestCase
