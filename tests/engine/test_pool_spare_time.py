"""What nobody waits for uses a model only while nobody wants any."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import GoneCause
from minerva_desktop.errors import EngineDied, LoadCancelled
from tests.pools import Scripted, model, turns, until

SMALL, MEDIUM, LARGE = map(model, ("small", "medium", "large"))


@pytest.fixture
def ended() -> list[str]:
    """Filled by the uses that are told to end."""
    return []


async def test_only_a_loaded_model_is_given_while_none_is_used(ended: list[str]) -> None:
    scripted = Scripted()
    pool = scripted.pool
    with pool.spare_time.use(SMALL, lambda: ended.append("never begun")) as engine:
        assert engine is None
    assert scripted.engines == []  # nothing was loaded for it
    await scripted.use(SMALL, MEDIUM)
    with pool.spare_time.use(SMALL, lambda: ended.append("small")) as engine:
        assert engine is pool.loaded_engine(SMALL)
        assert not pool.is_in_use(SMALL)
    async with pool.lease(MEDIUM):
        assert pool.spare_time.engine(SMALL) is None
        with pool.spare_time.use(SMALL, lambda: ended.append("never begun")) as engine:
            assert engine is None
    assert pool.spare_time.engine(SMALL) is pool.loaded_engine(SMALL)
    assert ended == []
    await pool.close()


@pytest.mark.parametrize("wanted", [SMALL, MEDIUM], ids=["the same", "another"])
async def test_it_is_told_to_end_as_soon_as_a_model_is_wanted(
    ended: list[str], wanted: Path
) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL)
    with pool.spare_time.use(SMALL, lambda: ended.append("small")):
        async with pool.lease(wanted):
            assert ended == ["small"]
    async with pool.lease(SMALL):
        assert ended == ["small"]  # it is over, and told no more
    await pool.close()


async def test_nothing_waits_for_it_and_nothing_goes_for_it(ended: list[str]) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL, MEDIUM)
    with pool.spare_time.use(SMALL, lambda: ended.append("small")):
        pass
    assert pool.loaded() == [MEDIUM, SMALL]  # what was used last is still used last
    with pool.spare_time.use(MEDIUM, lambda: ended.append("medium")):
        async with pool.lease(LARGE):  # without patience: it would be refused
            assert ended == ["medium"]
            assert scripted.gone() == [("medium", GoneCause.ROOM)]
    await turns(10)
    await pool.close()


async def test_none_begins_while_a_lease_asks_the_disk_whether_to_load_anew(
    ended: list[str],
) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL)
    pool.options = LoadOptions(n_ctx=1024)
    leasing = asyncio.create_task(scripted.use(SMALL))
    await turns(1)
    assert len(scripted.engines) == 1  # it still asks
    with pool.spare_time.use(SMALL, lambda: ended.append("small")) as engine:
        assert engine is None
    await leasing
    assert len(scripted.engines) == 2
    assert pool.spare_time.engine(SMALL) is scripted.engines[1][1]  # it is quiet again
    await pool.close()


async def test_one_begins_again_after_a_lease_that_was_given_up_on_its_way() -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL)
    pool.options = LoadOptions(n_ctx=1024)
    leasing = asyncio.create_task(scripted.use(SMALL))
    await turns(1)
    assert pool.spare_time.engine(SMALL) is None
    leasing.cancel()
    await asyncio.wait([leasing])
    assert pool.spare_time.engine(SMALL) is scripted.engines[0][1]
    await pool.close()


async def _eject(scripted: Scripted) -> None:
    await scripted.pool.unload(SMALL)


async def _let_expire(scripted: Scripted) -> None:
    scripted.pool.set_idle_seconds(SMALL, 0.0)


async def _take_memory(scripted: Scripted) -> None:
    assert scripted.pool.relieve(CPU, "memory is short") == SMALL


async def _crash(scripted: Scripted) -> None:
    scripted.engines[0][1].die()


async def _use_to_the_end(
    scripted: Scripted, ended: list[str], end: Callable[[Scripted], Awaitable[None]]
) -> None:
    """Use the small model, and meanwhile ``end`` it."""
    with scripted.pool.spare_time.use(SMALL, lambda: ended.append("small")):
        await end(scripted)
        await until(lambda: SMALL not in scripted.pool.loaded())
        raise EngineDied("It ended before the answer was finished")


@pytest.mark.parametrize("unload", [_eject, _let_expire, _take_memory])
async def test_it_is_told_to_end_where_its_model_is_unloaded(
    ended: list[str], unload: Callable[[Scripted], Awaitable[None]]
) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL)
    with pytest.raises(LoadCancelled, match="small"):
        await _use_to_the_end(scripted, ended, unload)
    assert ended == ["small"]
    await pool.close()


async def test_it_goes_on_where_another_model_is_unloaded(ended: list[str]) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL, MEDIUM)
    with pool.spare_time.use(SMALL, lambda: ended.append("small")):
        await pool.unload(MEDIUM)
    assert ended == []
    await pool.close()


async def test_a_crash_stays_one(ended: list[str]) -> None:
    pool = (scripted := Scripted()).pool
    await scripted.use(SMALL)
    with pytest.raises(EngineDied, match="before the answer"):
        await _use_to_the_end(scripted, ended, _crash)
    assert ended == []
    await pool.close()
