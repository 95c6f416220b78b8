"""Any order of what can happen to a pool, with scripted engines on two devices."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.engine.pool_events import GoneCause, LoadPlan, ModelGone
from minerva_desktop.errors import MinervaError
from tests.fakes import ScriptedEngine
from tests.pools import GPU, NEEDS, Scripted, model, turns

PATHS = st.sampled_from([model(name) for name in sorted(NEEDS)])
TURNS = st.integers(0, 3)  # of the loop, before the next thing happens
BY_ITSELF = {GoneCause.ROOM, GoneCause.IDLE, GoneCause.PRESSURE}
FAILURES = {GoneCause.FAILED, GoneCause.LOST}
MANY = 300


class Who(Enum):
    """Wants a model: a person, one who insists on it, or a client that waits for its turn."""

    ASKS = auto()
    INSISTS = auto()
    WAITS = auto()


@dataclass
class Lease:
    path: Path
    stack: AsyncExitStack
    engine: ScriptedEngine


class PoolMachine(RuleBasedStateMachine):
    """Leases are held over many turns of the loop, as answers hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.complaints: list[object] = []
        self.loop.set_exception_handler(lambda _loop, context: self.complaints.append(context))
        self.scripted = Scripted()
        self.pool = self.scripted.pool
        self.leases: list[Lease] = []
        self.waiting: list[asyncio.Task[Lease]] = []
        self.patient: set[asyncio.Task[Lease]] = set()
        self.forced: set[Path] = set()
        self.ended_by_hand: set[ScriptedEngine] = set()

    def run(self, n_turns: int) -> None:
        self.loop.run_until_complete(turns(n_turns))
        for task in self.waiting:
            if task.done() and not task.cancelled():
                if task.exception() is None:
                    self.leases.append(task.result())
                else:
                    assert isinstance(task.exception(), MinervaError)
        self.waiting = [task for task in self.waiting if not task.done()]

    # -- use -------------------------------------------------------------------------------

    @rule(path=PATHS, who=st.sampled_from(Who), holds=st.booleans(), n_turns=TURNS)
    def lease(self, path: Path, who: Who, holds: bool, n_turns: int) -> None:
        forced = who is Who.INSISTS
        patience = Patience() if who is Who.WAITS else None

        async def take() -> Lease:
            async with AsyncExitStack() as stack:
                lease = self.pool.lease(path, forced=forced, patience=patience)
                engine = await stack.enter_async_context(lease)
                return Lease(path, stack.pop_all(), engine)

        if forced:
            self.forced.add(path)
        self.scripted.holds_loads = holds
        self.waiting.append(self.loop.create_task(take()))
        if who is Who.WAITS:
            self.patient.add(self.waiting[-1])
        self.run(n_turns)

    @rule(index=st.integers(0, 9), n_turns=TURNS)
    def release(self, index: int, n_turns: int) -> None:
        if self.leases:
            lease = self.leases.pop(index % len(self.leases))
            self.loop.run_until_complete(lease.stack.aclose())
            self.run(n_turns)

    @rule(index=st.integers(0, 9), n_turns=TURNS)
    def stop_waiting(self, index: int, n_turns: int) -> None:
        if self.waiting:
            self.waiting[index % len(self.waiting)].cancel()
            self.run(n_turns)

    @rule(path=PATHS)
    def plan(self, path: Path) -> None:
        in_use = {lease.path for lease in self.leases}
        plan = self.loop.run_until_complete(self._plan(path))
        if plan is not None:
            assert not in_use.intersection(plan.unloads)
            assert not any(self.pool.is_pinned(other) for other in plan.unloads)

    async def _plan(self, path: Path) -> LoadPlan | None:
        try:
            return await self.pool.plan(path)
        except (MinervaError, OSError):
            return None

    # -- what a person does ----------------------------------------------------------------

    @rule(path=PATHS, pinned=st.booleans())
    def pin(self, path: Path, pinned: bool) -> None:
        async def pin() -> None:
            self.pool.pin(path, pinned=pinned)

        self.loop.run_until_complete(pin())

    @rule(path=PATHS, n_turns=TURNS)
    def unload(self, path: Path, n_turns: int) -> None:
        self._end_by_hand(path)
        task = self.loop.create_task(self.pool.unload(path))
        self.run(n_turns)
        assert not task.done() or task.exception() is None

    @rule(path=PATHS, n_turns=TURNS)
    def cancel(self, path: Path, n_turns: int) -> None:
        self.pool.cancel_load(path)
        self.run(n_turns)

    @rule(n_ctx=st.sampled_from([None, 256, 1024]), own=st.none() | PATHS)
    def choose_options(self, n_ctx: int | None, own: Path | None) -> None:
        if own is None:
            self.pool.options = LoadOptions(n_ctx=n_ctx)
        else:
            self.pool.own_options = {own: LoadOptions(n_ctx=n_ctx)}

    # -- what happens by itself ------------------------------------------------------------

    @rule(path=PATHS, n_turns=TURNS)
    def expire(self, path: Path, n_turns: int) -> None:
        async def expire() -> None:
            self.pool.set_idle_seconds(path, 0.0)
            await turns(n_turns)
            self.pool.set_idle_seconds(path, None)

        self.loop.run_until_complete(expire())

    @rule(device=st.sampled_from([CPU, GPU]), n_turns=TURNS)
    def relieve(self, device: str, n_turns: int) -> None:
        async def relieve() -> Path | None:
            return self.pool.relieve(device, "it is short")

        gone = self.loop.run_until_complete(relieve())
        assert gone is None or not self.pool.is_in_use(gone)
        self.run(n_turns)

    @rule(path=PATHS)
    def crash(self, path: Path) -> None:
        engine = self.pool.loaded_engine(path)
        if engine is not None:
            self._end_by_hand(path)
            engine.die()

    @rule(kind=st.sampled_from([None, OSError, MinervaError]))
    def choosing_fails(self, kind: type[Exception] | None) -> None:
        self.scripted.choice_failure = kind

    @rule(n_turns=st.integers(1, 4))
    def choosing_takes(self, n_turns: int) -> None:
        self.scripted.choice_turns = n_turns

    @rule()
    def ends_take_long(self) -> None:
        self.scripted.holds_ends = True
        for _, engine in self.scripted.engines:
            engine.may_end.clear()

    @rule()
    def all_goes_on(self) -> None:
        self.scripted.let_go()
        self.run(MANY)
        # Who waits does so beside the patient, and for what is in use.
        assert not self.waiting or (self.leases and self.patient.intersection(self.waiting))

    def _end_by_hand(self, path: Path) -> None:
        engines = self.scripted.engines
        self.ended_by_hand.update(engine for other, engine in engines if other == path)

    # -- what is always so -----------------------------------------------------------------

    @invariant()
    def the_ledgers_count_what_is_there(self) -> None:
        contexts = self.scripted.ledgers.contexts
        held = {path: self.pool.held(path) for path in map(model, NEEDS)}
        for name, context in contexts.items():
            counted = {path: needs.get(name, 0) for path, needs in held.items()}
            assert sum(counted.values()) == context.allocated_memory()
            unforced = sum(n for path, n in counted.items() if path not in self.forced)
            assert unforced <= context.max_memory()
            if not self.forced:
                assert context.allocated_memory() <= context.max_memory()

    @invariant()
    def what_is_leased_stays(self) -> None:
        for lease in self.leases:
            assert lease.engine.is_loaded() or lease.engine in self.ended_by_hand

    @invariant()
    def nothing_in_use_or_pinned_goes_by_itself(self) -> None:
        in_use = {lease.engine for lease in self.leases} - self.ended_by_hand
        assert all(engine.n_unloads == 0 for engine in in_use)
        for event in self.scripted.events:
            if isinstance(event, ModelGone) and event.cause in FAILURES:
                assert event.error is not None
        self.scripted.events.clear()

    @invariant()
    def nothing_is_complained_of(self) -> None:
        assert self.complaints == []

    def teardown(self) -> None:
        self.scripted.let_go()
        self.run(MANY)
        while self.leases:
            for lease in self.leases:
                self.loop.run_until_complete(lease.stack.aclose())
            self.leases.clear()
            self.run(MANY)
        assert self.waiting == []
        self.loop.run_until_complete(self.pool.close())
        self.run(MANY)
        assert asyncio.all_tasks(self.loop) == set()
        assert self.scripted.allocated == 0
        assert all(engine.pid is None for _, engine in self.scripted.engines)
        assert self.complaints == []
        self.loop.close()


USUAL = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_a_pool_keeps_its_rules() -> None:
    run_state_machine_as_test(PoolMachine, settings=USUAL)


@pytest.mark.slow
def test_a_pool_keeps_them_for_long() -> None:
    run_state_machine_as_test(PoolMachine, settings=settings(USUAL, max_examples=500))
