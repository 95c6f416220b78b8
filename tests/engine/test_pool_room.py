"""Who goes for whom, by bytes: the pool with scripted engines and real ledgers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from minerva_desktop.devices.ledgers import CPU, Needs
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    MemoryTrimmed,
    ModelGone,
    ModelReady,
    Unloaded,
)
from minerva_desktop.engine.pool_relief import WORTH_TRIMMING
from minerva_desktop.errors import LoadCancelled, ModelLoadError, OutOfMemory
from tests.pools import CPU_BUDGET, GPU, Scripted, model, until

SMALL, MEDIUM, LARGE, HUGE, BAD = map(model, ("small", "medium", "large", "huge", "bad"))
SPLIT, OFFLOADED = model("split"), model("offloaded")


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
    assert ModelGone(MEDIUM, cause=GoneCause.ROOM, room_for=LARGE, n_freed=40) in scripted.events
    ready = [event for event in scripted.events if isinstance(event, ModelReady)]
    assert ready[-1].unloaded == (Unloaded(MEDIUM, 40),)


class Shrinking(Scripted):
    """Its choices take 90 bytes, or 70 where others keep some, once they are let."""

    def __init__(self) -> None:
        self.kept: list[Needs] = []
        self.begun, self.may_choose = asyncio.Event(), asyncio.Event()
        super().__init__()

    async def _choose(self, path: Path, options: LoadOptions, kept: Needs) -> LoadChoice:
        if path != LARGE:
            return await super()._choose(path, options, kept)
        self.kept.append(kept)
        self.begun.set()
        await self.may_choose.wait()
        return LoadChoice(options, {CPU: 70 if kept else 90})


async def test_a_choice_beside_a_model_that_goes_all_the_same_is_made_again() -> None:
    scripted = Shrinking()
    async with scripted.pool.lease(MEDIUM):
        load = asyncio.create_task(scripted.use(LARGE))
        await scripted.begun.wait()
    scripted.may_choose.set()  # while it was chosen, the other became idle
    await load
    assert scripted.kept == [{CPU: 40}, {}]
    ready = [event for event in scripted.events if isinstance(event, ModelReady)]
    assert (ready[-1].path, ready[-1].choice.needs) == (LARGE, {CPU: 90})
    assert scripted.pool.loaded() == [LARGE]


async def test_a_larger_one_goes_alone_where_it_suffices() -> None:
    scripted = Scripted({"a": {CPU: 10}, "b": {CPU: 20}, "c": {CPU: 70}, "new": {CPU: 75}})
    await scripted.use(model("b"), model("c"))
    plan = await scripted.pool.plan(model("new"))
    assert (plan.unloads, plan.n_freed) == ((model("c"),), 70)
    # Where one of two has to go beside it, the one that was used more recently stays.
    await scripted.use(model("a"), model("b"), model("c"))
    scripted.needs["new"] = {CPU: 80}
    plan = await scripted.pool.plan(model("new"))
    assert (plan.unloads, plan.n_freed) == ((model("a"), model("c")), 80)


async def test_a_model_that_is_loaded_anew_counts_its_own_memory_as_free(
    scripted: Scripted,
) -> None:
    await scripted.use(SMALL, LARGE)
    scripted.pool.options = LoadOptions(n_ctx=1024)
    plan = await scripted.pool.plan(LARGE)
    assert (plan.unloads, plan.missing) == ((), {})
    await scripted.use(LARGE)
    assert set(scripted.pool.loaded()) == {LARGE, SMALL}
    ready = [event for event in scripted.events if isinstance(event, ModelReady)]
    assert (ready[-1].path, ready[-1].info.n_ctx, ready[-1].unloaded) == (LARGE, 1024, ())


async def test_a_model_may_have_options_of_its_own(scripted: Scripted) -> None:
    scripted.pool.own_options = {MEDIUM: LoadOptions(n_ctx=1024)}
    await scripted.use(SMALL, MEDIUM)
    ready = [event for event in scripted.events if isinstance(event, ModelReady)]
    assert [event.info.n_ctx for event in ready] == [512, 1024]
    assert (await scripted.pool.plan(MEDIUM)).choice.needs == {}
    # A question about other options is answered in full, though the model is loaded.
    asked = await scripted.pool.plan(MEDIUM, LoadOptions(n_ctx=256))
    assert (asked.choice.options.n_ctx, asked.choice.needs) == (256, {CPU: 40})


async def test_what_is_missing_on_a_gpu_takes_nothing_from_the_cpu(scripted: Scripted) -> None:
    await scripted.use(SMALL, OFFLOADED)
    assert (await scripted.pool.plan(SPLIT)).unloads == (OFFLOADED,)
    await scripted.use(SPLIT)
    assert scripted.pool.held(SPLIT) == {CPU: 30, GPU: 40}
    assert scripted.pool.loaded() == [SPLIT, SMALL]


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
    assert scripted.pool.relieve(CPU, "only 1 MB is left") == MEDIUM
    assert scripted.pool.relieve(CPU, "only 1 MB is left") is None  # it is on its way out
    await until(lambda: scripted.allocated == 20)
    gone = next(event for event in scripted.events if isinstance(event, ModelGone))
    assert (gone.path, gone.cause, gone.n_freed) == (MEDIUM, GoneCause.PRESSURE, 40)
    assert isinstance(gone.error, OutOfMemory)
    assert gone.error.message == "medium was unloaded: only 1 MB is left"
    await scripted.pool.close()
    assert scripted.allocated == 0


async def test_all_that_are_loaded_are_trimmed_and_it_is_told_once(scripted: Scripted) -> None:
    await scripted.use(SMALL, MEDIUM)
    (_, small), (_, medium) = scripted.engines
    small.trims, medium.trims = 5_000_000, WORTH_TRIMMING
    async with scripted.pool.lease(SMALL):  # also what is in use
        assert await scripted.pool.trim("only 1 MB is left") == 5_000_000 + WORTH_TRIMMING
    (trimmed,) = [event for event in scripted.events if isinstance(event, MemoryTrimmed)]
    n_bytes = 5_000_000 + WORTH_TRIMMING
    assert trimmed == MemoryTrimmed((SMALL, MEDIUM), n_bytes, "only 1 MB is left")
    medium.trims = WORTH_TRIMMING - 1
    assert await scripted.pool.trim("only 1 MB is left") == 0
    assert sum(isinstance(event, MemoryTrimmed) for event in scripted.events) == 1
    assert scripted.pool.loaded() == [SMALL, MEDIUM]
    await scripted.pool.close()
    assert await scripted.pool.trim("only 1 MB is left") == 0


async def test_what_the_budget_leaves_is_shared_out_for_chats_outside_of_caches(
    scripted: Scripted,
) -> None:
    """No ledger counts these; the budget is 100 bytes."""
    await scripted.use(SMALL)
    (_, small) = scripted.engines[0]
    assert small.may_park == 80
    await scripted.use(MEDIUM)
    (_, medium) = scripted.engines[1]
    assert (small.may_park, medium.may_park) == (20, 20)
    scripted.holds_loads = True
    scripted.pool.pin(MEDIUM, pinned=True)
    load = asyncio.create_task(scripted.use(BAD))
    await until(lambda: len(scripted.engines) == 3)
    await until(lambda: medium.may_park == 0)  # before the other takes it
    scripted.let_go()
    with pytest.raises(ModelLoadError):
        await load
    await scripted.pool.close()


async def test_only_a_model_on_the_device_that_is_short_goes(scripted: Scripted) -> None:
    await scripted.use(SMALL, OFFLOADED)
    assert scripted.pool.relieve(GPU, "only 1 MB is left") == OFFLOADED
    await until(lambda: scripted.gone() == [("offloaded", GoneCause.PRESSURE)])
    assert scripted.pool.relieve(GPU, "only 1 MB is left") is None
    assert scripted.pool.loaded() == [SMALL]


async def test_a_model_in_use_stays_however_short_memory_is(scripted: Scripted) -> None:
    async with scripted.pool.lease(MEDIUM):
        assert scripted.pool.relieve(CPU, "only 1 MB is left") is None
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


async def test_who_insists_makes_a_load_forced_that_others_wait_for(scripted: Scripted) -> None:
    async def use(*, forced: bool) -> int:
        async with scripted.pool.lease(HUGE, forced=forced):
            return scripted.allocated

    both = await asyncio.gather(use(forced=False), use(forced=True))
    assert tuple(both) == (130, 130)


async def test_a_load_that_fails_leaves_the_pool_as_it_was(scripted: Scripted) -> None:
    await scripted.use(SMALL, MEDIUM)
    with pytest.raises(ModelLoadError):
        await scripted.use(BAD)
    await scripted.use(SMALL)  # it was loaded again, or is about to be
    assert set(scripted.pool.loaded()) == {SMALL, MEDIUM}
    assert scripted.allocated == 60


async def test_a_load_that_is_given_up_brings_back_what_went_for_it(scripted: Scripted) -> None:
    await scripted.use(MEDIUM)
    scripted.holds_loads = True
    load = asyncio.create_task(scripted.use(LARGE))
    await until(
        lambda: scripted.engines[-1][0] == LARGE and scripted.engines[-1][1].pid is not None
    )
    scripted.holds_loads = False
    scripted.pool.cancel_load(LARGE)
    with pytest.raises(LoadCancelled):
        await load
    await scripted.use(MEDIUM)
    assert scripted.pool.loaded() == [MEDIUM]
    assert scripted.allocated == 40


async def test_what_cannot_be_brought_back_is_told(scripted: Scripted) -> None:
    await scripted.use(MEDIUM, SMALL)
    scripted.holds_loads = True
    load = asyncio.create_task(scripted.use(BAD))
    await until(lambda: scripted.engines[-1][0] == BAD and scripted.engines[-1][1].pid is not None)
    scripted.choice_failure = ModelLoadError
    scripted.let_go()
    with pytest.raises(ModelLoadError, match="It is bad"):
        await load
    await until(lambda: len(scripted.gone()) == 3)
    ends = [("medium", GoneCause.ROOM), ("bad", GoneCause.FAILED), ("medium", GoneCause.LOST)]
    assert scripted.gone() == ends
    assert scripted.pool.loaded() == [SMALL]


async def test_what_is_brought_back_takes_no_room_from_what_was_used_since(
    scripted: Scripted,
) -> None:
    await scripted.use(LARGE)
    scripted.holds_loads = True
    load = asyncio.create_task(scripted.use(BAD))
    await until(lambda: scripted.engines[-1][0] == BAD and scripted.engines[-1][1].pid is not None)
    scripted.holds_loads = False
    await scripted.use(MEDIUM)  # there is room for it beside the bad one
    scripted.let_go()
    with pytest.raises(ModelLoadError, match="It is bad"):
        await load
    await until(lambda: scripted.gone()[-1] == ("large", GoneCause.LOST))
    assert scripted.pool.loaded() == [MEDIUM]


async def test_two_loads_at_once_do_not_count_the_same_memory(scripted: Scripted) -> None:
    results = await asyncio.gather(
        scripted.use(LARGE), scripted.use(MEDIUM), return_exceptions=True
    )
    # The one that came second makes the other go if that is idle by then, or does not fit.
    assert [r for r in results if r is not None and not isinstance(r, OutOfMemory)] == []
    assert scripted.allocated <= CPU_BUDGET


async def test_a_dead_engine_gives_its_memory_back(scripted: Scripted) -> None:
    await scripted.use(LARGE)
    scripted.engines[0][1].die()
    assert scripted.allocated == 0
    assert scripted.gone() == [("large", GoneCause.FAILED)]


async def test_what_a_process_takes_of_a_gpu_beside_its_model_stays_counted() -> None:
    scripted = Scripted({"a": {CPU: 10, GPU: 30}})
    scripted.beside = {CPU: 4, GPU: 20}
    await scripted.use(model("a"))
    assert scripted.pool.held(model("a")) == {CPU: 6, GPU: 50}
