"""A model that got less than wished beside others gets it all once they leave it the room."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from minerva_desktop.devices.ledgers import CPU, Needs, cpu_ledgers
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import DEFAULT_N_CTX, KvType, LoadOptions
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.engine.pool_events import LoadChoice, ModelReady, PoolEvent
from minerva_desktop.errors import ModelLoadError
from minerva_desktop.load_choice import choose_load, model_needs
from tests.pools import LESS, LESS_N_CTX, NEEDS, RealPool, Scripted, model, turns

SMALL, LARGE, ELASTIC = map(model, ("small", "large", "elastic"))


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


def contexts(scripted: Scripted) -> list[int]:
    """Of the elastic model, each time it was loaded."""
    ready = [event for event in scripted.events if isinstance(event, ModelReady)]
    return [event.info.n_ctx for event in ready if event.path == ELASTIC]


async def test_it_is_loaded_anew_once_the_others_are_idle(scripted: Scripted) -> None:
    async with scripted.pool.lease(LARGE):
        await scripted.use(ELASTIC, ELASTIC)
        assert contexts(scripted) == [LESS_N_CTX]
        assert scripted.pool.held(ELASTIC) == LESS["elastic"]
    plan = await scripted.pool.plan(ELASTIC)
    assert (plan.unloads, plan.choice.needs) == ((LARGE,), NEEDS["elastic"])
    await scripted.use(ELASTIC, ELASTIC)
    assert contexts(scripted) == [LESS_N_CTX, 512]
    assert scripted.pool.loaded() == [ELASTIC]
    assert scripted.pool.held(ELASTIC) == NEEDS["elastic"]


async def test_while_it_is_in_use_it_stays(scripted: Scripted) -> None:
    async with scripted.pool.lease(LARGE):
        await scripted.use(ELASTIC)
    scripted.pool.pin(LARGE, pinned=True)
    async with scripted.pool.lease(ELASTIC) as engine:
        scripted.pool.pin(LARGE, pinned=False)
        async with scripted.pool.lease(ELASTIC) as same:
            assert same is engine
    await scripted.use(ELASTIC)
    assert contexts(scripted) == [LESS_N_CTX, 512]


async def test_what_would_be_no_better_is_asked_once(scripted: Scripted) -> None:
    """With the tiny one gone the room is still too little: 100 - 70 < 60."""
    async with scripted.pool.lease(LARGE):
        await scripted.use(ELASTIC)
        n_choices = scripted.n_choices
        await scripted.use(ELASTIC)
        assert scripted.n_choices == n_choices  # the others keep as much as before
    scripted = Scripted()
    scripted.needs["tiny"] = {CPU: 3}
    async with scripted.pool.lease(LARGE):
        async with scripted.pool.lease(model("tiny")):
            await scripted.use(ELASTIC)
        n_choices = scripted.n_choices
        await scripted.use(ELASTIC, ELASTIC)
        assert scripted.n_choices == n_choices + 1
    assert contexts(scripted) == [LESS_N_CTX]


async def test_it_answers_as_it_is_where_nothing_can_be_chosen(scripted: Scripted) -> None:
    async with scripted.pool.lease(LARGE):
        await scripted.use(ELASTIC)
    scripted.choice_failure = ModelLoadError
    await scripted.use(ELASTIC)
    assert contexts(scripted) == [LESS_N_CTX]
    scripted.choice_failure = None
    await scripted.use(ELASTIC)
    assert contexts(scripted) == [LESS_N_CTX, 512]


async def test_others_that_come_while_it_is_chosen_leave_it_as_it_is(scripted: Scripted) -> None:
    async with scripted.pool.lease(LARGE):
        await scripted.use(ELASTIC)
    scripted.choice_turns = 5
    again = asyncio.create_task(scripted.use(ELASTIC))
    await turns(2)
    async with scripted.pool.lease(LARGE):
        await again
        assert contexts(scripted) == [LESS_N_CTX]
    await scripted.use(ELASTIC)
    assert contexts(scripted) == [LESS_N_CTX, 512]


async def test_all_who_come_at_once_share_the_new_load(scripted: Scripted) -> None:
    async with scripted.pool.lease(LARGE):
        await scripted.use(ELASTIC)
    await asyncio.gather(*[scripted.use(ELASTIC) for _ in range(3)])
    assert contexts(scripted) == [LESS_N_CTX, 512]


async def test_it_stays_while_a_load_waits_for_memory(scripted: Scripted) -> None:
    async def use_patiently(path: Path) -> None:
        async with scripted.pool.lease(path, patience=Patience()):
            pass

    async with scripted.pool.lease(LARGE):
        await scripted.use(ELASTIC)
    scripted.needs["wide"] = {CPU: 90}
    async with scripted.pool.lease(SMALL):
        waits = asyncio.create_task(use_patiently(model("wide")))
        await turns(20)
        await scripted.use(ELASTIC)  # there would be room for it beside the small one
        assert contexts(scripted) == [LESS_N_CTX]
    await waits
    await scripted.use(ELASTIC)
    assert contexts(scripted) == [LESS_N_CTX, 512]


async def test_two_that_are_used_by_turns_do_not_load_at_each_turn(scripted: Scripted) -> None:
    second = model("elastic 2")
    scripted.needs["elastic 2"] = {CPU: 60}
    async with scripted.pool.lease(ELASTIC):
        await scripted.use(second)
    await scripted.use(second)  # for which the first one goes
    async with scripted.pool.lease(second):
        await scripted.use(ELASTIC)
    n_engines = len(scripted.engines)
    await scripted.use(second, ELASTIC, second, ELASTIC)
    assert len(scripted.engines) == n_engines
    assert contexts(scripted) == [512, LESS_N_CTX]
    await scripted.use(ELASTIC)  # twice without the other one between
    assert contexts(scripted) == [512, LESS_N_CTX, 512]
    assert scripted.pool.loaded() == [ELASTIC]


async def test_a_real_model_gets_its_usual_context_back(model_path: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.gguf"
    try:
        second.symlink_to(model_path)
    except OSError:
        shutil.copyfile(model_path, second)
    budget = sum(model_needs(model_path, LoadOptions()).values()) * 8 // 5
    ledgers = cpu_ledgers(budget, is_strict=True)
    events: list[PoolEvent] = []

    async def choose(path: Path, options: LoadOptions, kept: Needs) -> LoadChoice:
        return await asyncio.to_thread(choose_load, path, options, ledgers.room(kept))

    pool: RealPool = ModelPool(
        lambda path, on_death: LlamaEngine(path, on_death=on_death),
        ledgers=ledgers,
        choose=choose,
        on_event=events.append,
    )
    async with pool.lease(model_path), pool.lease(second) as engine:
        pid = engine.pid
    async with pool.lease(second) as engine:
        assert engine.pid != pid
        pid = engine.pid
    async with pool.lease(second) as engine:
        assert engine.pid == pid
    less, full = [e for e in events if isinstance(e, ModelReady) and e.path == second]
    assert less.choice.options.kv_type_k is KvType.Q8_0
    assert less.choice.reasons
    assert (full.info.n_ctx, full.choice.options.kv_type_k) == (DEFAULT_N_CTX, KvType.F16)
    assert full.choice.reasons == ()
    assert pool.loaded() == [second]
    await pool.close()
    assert ledgers.contexts[CPU].allocated_memory() == 0
