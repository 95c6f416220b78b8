"""Models on their way out, loads that fail, and time to live: the pool with scripted engines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.engine.pool_events import GoneCause, ModelGone, ModelReady, PoolEvent
from minerva_desktop.errors import LoadCancelled, ModelLoadError, OutOfMemory
from tests.fakes import ScriptedEngine
from tests.pools import Scripted, model, turns, until

SMALL, MEDIUM, LARGE, HUGE, BAD = map(model, ("small", "medium", "large", "huge", "bad"))


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


async def use_for_a_while(scripted: Scripted, path: Path) -> bool:
    """Whether the engine that was leased was loaded all the time."""
    async with scripted.pool.lease(path) as engine:
        for _ in range(8):
            await asyncio.sleep(0)
            if not engine.is_loaded():
                return False
    return True


def relieve(scripted: Scripted) -> None:
    scripted.pool.relieve(CPU, "it is short")


def expire(scripted: Scripted) -> None:
    scripted.pool.set_idle_seconds(MEDIUM, 0.0)


@pytest.mark.parametrize("decide", [relieve, expire])
@pytest.mark.parametrize("n_turns", range(4))
async def test_who_leases_a_model_that_is_to_go_gets_one_that_stays(
    scripted: Scripted, decide: Callable[[Scripted], None], n_turns: int
) -> None:
    await scripted.use(MEDIUM)
    decide(scripted)
    await turns(n_turns)
    scripted.pool.reset_idle_seconds(MEDIUM)
    assert await use_for_a_while(scripted, MEDIUM)


@pytest.mark.parametrize("n_turns", range(12))
async def test_a_lease_beside_an_eviction_gets_a_model_that_stays_or_none(
    scripted: Scripted, n_turns: int
) -> None:
    await scripted.use(MEDIUM)
    other = asyncio.create_task(scripted.use(LARGE))
    await turns(n_turns)
    mine = asyncio.create_task(use_for_a_while(scripted, MEDIUM))
    results = await asyncio.gather(other, mine, return_exceptions=True)
    assert results[1] is True or isinstance(results[1], OutOfMemory)
    assert results[0] is None or isinstance(results[0], OutOfMemory)
    assert None in results or True in results


# -- on the way out --------------------------------------------------------------------------------


async def test_a_load_waits_for_the_memory_of_one_on_its_way_out(scripted: Scripted) -> None:
    scripted.holds_ends = True
    await scripted.use(LARGE)
    unload = asyncio.create_task(scripted.pool.unload(LARGE))
    load = asyncio.create_task(scripted.use(MEDIUM))
    await turns(20)
    assert not load.done()
    assert scripted.allocated == 70  # it counts until its process has ended
    assert (await scripted.pool.plan(MEDIUM)).missing == {}
    scripted.let_go()
    await asyncio.gather(unload, load)
    assert scripted.pool.loaded() == [MEDIUM]


async def test_no_idle_model_goes_where_one_on_its_way_out_suffices(scripted: Scripted) -> None:
    scripted.holds_ends = True
    await scripted.use(MEDIUM, SMALL)
    scripted.pool.set_idle_seconds(MEDIUM, 0.0)
    await until(lambda: scripted.pool.loaded() == [SMALL])
    scripted.needs["other"] = {CPU: 60}
    load = asyncio.create_task(scripted.use(model("other")))
    await turns(20)
    scripted.let_go()
    await load
    assert set(scripted.pool.loaded()) == {SMALL, model("other")}


async def test_unload_waits_for_an_end_that_others_began(scripted: Scripted) -> None:
    scripted.holds_ends = True
    await scripted.use(MEDIUM)
    scripted.pool.relieve(CPU, "it is short")
    unload = asyncio.create_task(scripted.pool.unload(MEDIUM))
    await turns(20)
    assert not unload.done()
    scripted.let_go()
    await unload
    assert scripted.gone() == [("medium", GoneCause.PRESSURE)]


async def test_a_model_that_is_loaded_anew_is_told_to_go_before_it_is_ready(
    scripted: Scripted,
) -> None:
    scripted.holds_ends = True
    await scripted.use(SMALL)
    scripted.pool.options = LoadOptions(n_ctx=1024)
    again = asyncio.create_task(scripted.use(SMALL))
    await turns(20)
    scripted.let_go()
    await again
    told = [type(e) for e in scripted.events if isinstance(e, ModelGone | ModelReady)]
    assert told == [ModelReady, ModelGone, ModelReady]


# -- loads that come to nothing --------------------------------------------------------------------


async def test_a_load_given_up_while_another_one_goes_for_it_brings_that_back(
    scripted: Scripted,
) -> None:
    scripted.holds_ends = True
    await scripted.use(LARGE)
    load = asyncio.create_task(scripted.use(MEDIUM))
    await until(lambda: scripted.pool.loaded() == [])
    scripted.pool.cancel_load(MEDIUM)
    with pytest.raises(LoadCancelled):
        await load
    scripted.let_go()
    await until(lambda: scripted.pool.loaded() == [LARGE])
    assert scripted.allocated == 70
    assert GoneCause.FAILED not in [cause for _, cause in scripted.gone()]


@pytest.mark.parametrize("n_turns", range(6))
async def test_a_load_may_be_given_up_at_any_moment(scripted: Scripted, n_turns: int) -> None:
    load = asyncio.create_task(scripted.use(MEDIUM))
    await turns(1)  # so that it is asked for
    await turns(n_turns)
    scripted.pool.cancel_load(MEDIUM)
    scripted.pool.cancel_load(MEDIUM)
    (result,) = await asyncio.gather(load, return_exceptions=True)
    assert result is None or isinstance(result, LoadCancelled)
    await scripted.use(MEDIUM)
    assert scripted.pool.loaded() == [MEDIUM]
    assert scripted.allocated == 40


async def test_options_that_cannot_be_had_leave_the_model_as_it_was(scripted: Scripted) -> None:
    await scripted.use(SMALL)
    scripted.pool.own_options = {SMALL: LoadOptions(n_ctx=1024)}
    scripted.needs["small, 1024"] = {CPU: 130}
    with pytest.raises(OutOfMemory):
        await scripted.use(SMALL)
    await until(lambda: scripted.pool.loaded() == [SMALL])
    ready = [event for event in scripted.events if isinstance(event, ModelReady)]
    assert [(event.info.n_ctx, event.is_back) for event in ready] == [(512, False), (512, True)]


@pytest.mark.parametrize("failure", [OSError, ModelLoadError])
async def test_whatever_goes_wrong_while_the_load_is_chosen_is_over_with_it(
    scripted: Scripted, failure: type[Exception]
) -> None:
    scripted.choice_failure = failure
    with pytest.raises(ModelLoadError, match="nothing can be chosen"):
        await scripted.use(SMALL)
    assert scripted.gone() == [("small", GoneCause.FAILED)]
    scripted.choice_failure = None
    await scripted.use(SMALL)
    assert scripted.pool.loaded() == [SMALL]


async def test_memory_that_this_process_does_not_get_is_told_as_that(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """It was a model that could not be loaded, for no reason, with a traceback in the terminal."""
    scripted.choice_failure = MemoryError
    with pytest.raises(OutOfMemory, match=r"^Not enough memory to load small$"):
        await scripted.use(SMALL)
    assert scripted.gone() == [("small", GoneCause.FAILED)]
    assert caplog.records == []


async def test_whatever_an_engine_raises_ends_it(scripted: Scripted) -> None:
    class Broken(ScriptedEngine):
        def is_loaded(self) -> bool:
            raise RuntimeError("it does not know")

    scripted.engine_kind = Broken
    with pytest.raises(ModelLoadError, match="it does not know"):
        await scripted.use(SMALL)
    (_, engine), *_ = scripted.engines
    assert (engine.pid, engine.n_unloads, scripted.allocated) == (None, 1, 0)
    scripted.engine_kind = ScriptedEngine
    await scripted.use(SMALL)
    assert scripted.allocated == 20


async def test_who_listens_cannot_spoil_a_load(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    def listen(event: PoolEvent) -> None:
        raise ModelLoadError("I am the listener")

    scripted.listen = listen
    await scripted.use(SMALL)
    assert scripted.pool.loaded() == [SMALL]
    assert "A listener failed to take ModelReady" in caplog.text


# -- time to live ----------------------------------------------------------------------------------


async def test_an_idle_model_goes_when_its_time_is_over(scripted: Scripted) -> None:
    scripted.pool.idle_seconds = 0.0
    scripted.pool.set_idle_seconds(MEDIUM, None)
    scripted.pool.pin(SMALL, pinned=True)
    async with scripted.pool.lease(SMALL), scripted.pool.lease(MEDIUM):
        await turns(20)
    async with scripted.pool.lease(SMALL):
        await scripted.use(MEDIUM)
    await turns(20)
    assert scripted.gone() == []
    scripted.pool.pin(SMALL, pinned=False)
    await until(lambda: bool(scripted.gone()))
    assert scripted.gone() == [("small", GoneCause.IDLE)]
    assert scripted.pool.loaded() == [MEDIUM]


async def test_a_new_time_to_live_holds_for_models_that_are_idle_already(
    scripted: Scripted,
) -> None:
    await scripted.use(SMALL)
    scripted.pool.idle_seconds = 0.0
    await until(lambda: scripted.gone() == [("small", GoneCause.IDLE)])


async def test_a_model_that_is_to_go_when_idle_stays_for_those_who_use_it(
    scripted: Scripted,
) -> None:
    scripted.pool.pin(MEDIUM, pinned=True)
    async with scripted.pool.lease(MEDIUM) as first:
        scripted.pool.unload_when_idle(MEDIUM)
        assert await use_for_a_while(scripted, MEDIUM)  # who comes meanwhile is served, too
        assert scripted.gone() == []
        assert first.is_loaded()
    await until(lambda: scripted.gone() == [("medium", GoneCause.ASKED)])
    assert await use_for_a_while(scripted, MEDIUM)  # loaded anew, it stays
    await turns(20)
    assert scripted.pool.loaded() == [MEDIUM]
    async with scripted.pool.lease(MEDIUM):
        scripted.pool.unload_when_idle(MEDIUM)
        scripted.pool.unload_when_idle(MEDIUM, wanted=False)
    await turns(20)
    assert scripted.pool.loaded() == [MEDIUM]
    scripted.pool.unload_when_idle(MEDIUM)
    await until(lambda: scripted.gone() == [("medium", GoneCause.ASKED)] * 2)
    scripted.pool.unload_when_idle(MEDIUM)  # it is gone


async def test_a_model_that_was_brought_back_has_its_place(scripted: Scripted) -> None:
    await scripted.use(SMALL, MEDIUM)
    with pytest.raises(ModelLoadError):
        await scripted.use(BAD)
    await until(lambda: len(scripted.pool.loaded()) == 2)
    assert scripted.pool.loaded() == [MEDIUM, SMALL]


async def test_a_model_that_was_brought_back_has_its_time(scripted: Scripted) -> None:
    await scripted.use(SMALL)
    scripted.pool.pin(MEDIUM, pinned=True)
    await scripted.use(MEDIUM)
    scripted.holds_loads = True
    load = asyncio.create_task(scripted.use(BAD))
    await until(lambda: scripted.gone() == [("small", GoneCause.ROOM)])
    scripted.pool.idle_seconds = 0.0
    scripted.let_go()
    await asyncio.gather(load, return_exceptions=True)
    await until(lambda: scripted.gone()[-1] == ("small", GoneCause.IDLE))
    assert scripted.pool.loaded() == [MEDIUM]


async def test_its_time_begins_when_it_is_loaded_though_nobody_waited_so_long(
    scripted: Scripted,
) -> None:
    scripted.pool.idle_seconds = 0.0
    scripted.holds_loads = True
    user = asyncio.create_task(scripted.use(SMALL))
    await turns(20)
    user.cancel()
    await turns(20)
    assert scripted.gone() == []
    scripted.let_go()
    await until(lambda: scripted.gone() == [("small", GoneCause.IDLE)])


async def test_a_load_that_nobody_waits_for_gives_its_memory_back() -> None:
    scripted = Scripted(abandoned_seconds=0.0)
    scripted.holds_loads = True
    first, second = (asyncio.create_task(scripted.use(SMALL)) for _ in range(2))
    await until(lambda: scripted.allocated > 0)
    first.cancel()
    await turns(20)
    assert (scripted.gone(), scripted.allocated) == ([], 20)  # the other one waits
    second.cancel()
    await until(lambda: scripted.allocated == 0)
    assert scripted.gone() == [("small", GoneCause.IDLE)]
    scripted.let_go()
    await scripted.use(SMALL)
    assert scripted.pool.loaded() == [SMALL]


@pytest.mark.parametrize("is_used_since", [False, True])
async def test_what_was_forced_comes_back_as_far_beyond_the_budget_and_no_further(
    scripted: Scripted, is_used_since: bool
) -> None:
    async with scripted.pool.lease(HUGE, forced=True):
        pass
    assert scripted.allocated == 130
    scripted.holds_loads = True
    load = asyncio.create_task(scripted.use(BAD))
    await until(lambda: scripted.gone() == [("huge", GoneCause.ROOM)])
    scripted.holds_loads = False
    if is_used_since:
        await scripted.use(SMALL)
    scripted.let_go()
    with pytest.raises(ModelLoadError):
        await load
    await turns(60)
    if is_used_since:
        assert scripted.gone()[-1] == ("huge", GoneCause.LOST)
        assert scripted.pool.loaded() == [SMALL]
    else:
        assert (scripted.pool.loaded(), scripted.allocated) == ([HUGE], 130)


async def test_whenever_who_asked_leaves_nobody_is_told_that_there_was_no_room(
    scripted: Scripted,
) -> None:
    scripted.choice_turns = 6
    for n_turns in range(15):
        async with scripted.pool.lease(LARGE):
            asked = scripted.pool.lease(MEDIUM, patience=Patience())
            client = asyncio.create_task(asked.__aenter__())
            await turns(n_turns)
            client.cancel()
            await turns(40)
        failures = [e for e in scripted.events if isinstance(e, ModelGone) and e.error]
        assert (failures, scripted.pool.loaded()) == ([], [LARGE]), n_turns


async def test_what_came_back_for_nobody_may_be_given_up_too() -> None:
    scripted = Scripted(abandoned_seconds=0.0)
    await scripted.use(SMALL)
    scripted.pool.pin(MEDIUM, pinned=True)
    await scripted.use(MEDIUM)
    scripted.holds_loads = True
    load = asyncio.create_task(scripted.use(BAD))
    await until(lambda: scripted.gone() == [("small", GoneCause.ROOM)])
    scripted.pool.cancel_load(BAD)
    await asyncio.gather(load, return_exceptions=True)
    await until(lambda: scripted.gone()[-1] == ("small", GoneCause.IDLE))
    assert (scripted.pool.loaded(), scripted.allocated) == ([MEDIUM], 40)


async def test_nothing_is_loaded_by_a_pool_that_was_closed() -> None:
    scripted = Scripted()
    await scripted.use(SMALL)
    await scripted.pool.close()
    with pytest.raises(LoadCancelled, match="all models are unloaded"):
        await scripted.use(SMALL)
    assert (scripted.pool.pids(), scripted.allocated) == ([], 0)


async def test_what_an_engine_wrote_before_it_ended_is_in_the_log(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients are not told of it, and `serve` has no other place to say why."""
    caplog.set_level(logging.INFO)
    await scripted.use(SMALL)
    scripted.engines[0][1].die("GGML_ASSERT(n > 0) failed")
    assert caplog.messages == [
        "small: It died",
        "What that process wrote: GGML_ASSERT(n > 0) failed",
    ]
