"""ModelPool with the real model: one load however many ask, room made by age, leases respected."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import (
    GoneCause,
    ModelGone,
    ModelLoading,
    ModelReady,
    PoolEvent,
    Unloaded,
)
from minerva_desktop.errors import (
    EngineDied,
    LoadCancelled,
    ModelLoadError,
    ModelUnloaded,
    OutOfMemory,
)
from minerva_desktop.load_choice import model_needs
from tests.pools import RealPool, real_pool

SMALL = LoadOptions(n_ctx=512)


@dataclass
class Watched:
    """A pool and its events. Its budget holds one of the models."""

    pool: RealPool
    events: list[PoolEvent]

    def ready(self) -> list[ModelReady]:
        return [event for event in self.events if isinstance(event, ModelReady)]


@pytest.fixture
async def watched(small_path: Path) -> AsyncIterator[Watched]:
    events: list[PoolEvent] = []
    budget = sum(model_needs(small_path, SMALL).values()) * 9 // 8
    pool = real_pool(SMALL, budget=budget, on_event=events.append)
    yield Watched(pool, events)
    await pool.close()
    assert pool.pids() == []
    assert pool.ledgers.contexts[CPU].allocated_memory() == 0


@pytest.fixture
def pool(watched: Watched) -> RealPool:
    return watched.pool


@pytest.fixture
def second_model(tmp_path: Path, small_path: Path) -> Path:
    path = tmp_path / "second.gguf"
    try:
        path.symlink_to(small_path)
    except OSError:
        shutil.copyfile(small_path, path)
    return path


async def test_all_who_ask_at_once_share_one_load(
    watched: Watched, pool: RealPool, small_path: Path
) -> None:
    async def use() -> int | None:
        async with pool.lease(small_path) as engine:
            return engine.pid

    pids = await asyncio.gather(use(), use(), use())
    assert len(set(pids)) == 1
    assert len(watched.ready()) == 1
    assert pool.loaded() == [small_path]
    assert isinstance(watched.events[0], ModelLoading)


async def test_what_a_load_could_not_have_is_told(
    watched: Watched, pool: RealPool, small_path: Path
) -> None:
    pool.options = msgspec.structs.replace(SMALL, n_threads=512)
    async with pool.lease(small_path):
        pass
    (warning,) = watched.ready()[0].choice.warnings
    assert "threads instead of 512" in warning


async def test_another_model_takes_the_place_of_an_idle_one(
    watched: Watched, pool: RealPool, small_path: Path, second_model: Path
) -> None:
    async with pool.lease(small_path) as engine:
        first_pid = engine.pid
        n_bytes = sum(pool.held(small_path).values())
    async with pool.lease(second_model):
        assert pool.loaded() == [second_model]
    assert first_pid is not None
    assert not psutil.pid_exists(first_pid)
    gone = ModelGone(small_path, None, GoneCause.ROOM, second_model, n_bytes)
    assert gone in watched.events
    assert watched.ready()[-1].unloaded == (Unloaded(small_path, n_bytes),)


async def test_a_model_in_use_is_never_unloaded_for_another(
    pool: RealPool, small_path: Path, second_model: Path
) -> None:
    async with pool.lease(small_path) as first:
        with pytest.raises(OutOfMemory, match=r"Memory exceeded: .* MB \+ .* MB > .* MB"):
            async with pool.lease(second_model):
                raise AssertionError("there is no room")
        async with pool.lease(second_model, forced=True) as second:
            assert first.is_loaded()
            assert second.is_loaded()
            assert set(pool.loaded()) == {small_path, second_model}


async def test_changed_options_load_an_idle_model_anew(pool: RealPool, small_path: Path) -> None:
    async with pool.lease(small_path):
        pool.options = LoadOptions(n_ctx=256)
        async with pool.lease(small_path) as busy:
            assert busy.get_context_info().n_ctx == 512
    async with pool.lease(small_path) as engine:
        assert engine.get_context_info().n_ctx == 256


async def test_changed_options_wait_while_the_file_is_gone(
    pool: RealPool, second_model: Path
) -> None:
    async with pool.lease(second_model) as engine:
        pass
    second_model.unlink()
    pool.options = LoadOptions(n_ctx=256)
    assert (await pool.plan(second_model)).unloads == ()
    async with pool.lease(second_model) as again:
        assert again is engine
        assert await again.generate("Hi", 2).text() != ""


async def test_a_cancelled_load_is_told_to_all_who_wait(
    watched: Watched, pool: RealPool, small_path: Path
) -> None:
    async def use() -> None:
        async with pool.lease(small_path):
            raise AssertionError("the load was cancelled")

    waiting = [asyncio.create_task(use()) for _ in range(2)]
    while not watched.events:
        await asyncio.sleep(0)
    pool.cancel_load(small_path)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [LoadCancelled, LoadCancelled]
    assert pool.loaded() == []
    async with pool.lease(small_path) as engine:
        assert engine.is_loaded()


async def test_one_who_stops_waiting_does_not_end_the_load(
    watched: Watched, pool: RealPool, small_path: Path
) -> None:
    async def use() -> None:
        async with pool.lease(small_path):
            pass

    impatient, patient = asyncio.create_task(use()), asyncio.create_task(use())
    while not watched.events:
        await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert impatient.cancelled()
    assert pool.loaded() == [small_path]


async def test_a_bad_file_fails_each_time_anew(pool: RealPool, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF not really")
    for _ in range(2):
        with pytest.raises(ModelLoadError):
            async with pool.lease(path):
                raise AssertionError("it cannot load")
    assert pool.loaded() == []


async def test_a_dead_engine_is_reported_and_the_next_lease_loads_again(
    watched: Watched, pool: RealPool, small_path: Path
) -> None:
    async with pool.lease(small_path) as engine:
        stream = engine.generate("Count: 1 2", 400, sampling=SamplingParameters(temperature=0.0))
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineDied):
            await stream.text()
    gone = [event for event in watched.events if isinstance(event, ModelGone)]
    assert [type(event.error) for event in gone] == [EngineDied]
    async with pool.lease(small_path) as again:
        assert await again.generate("Hi", 2).text() != ""


async def test_a_look_at_what_is_loaded_loads_nothing(
    watched: Watched, pool: RealPool, small_path: Path
) -> None:
    assert pool.loaded_engine(small_path) is None
    async with pool.lease(small_path) as engine:
        pass
    pool.options = LoadOptions(n_ctx=256)
    assert pool.loaded_engine(small_path) is engine
    assert len(watched.ready()) == 1


async def test_unload_ends_the_process_even_in_use(pool: RealPool, small_path: Path) -> None:
    async with pool.lease(small_path) as engine:
        stream = engine.generate("Count: 1 2", 400)
        await pool.unload(small_path)
        with pytest.raises(ModelUnloaded, match="unloaded before the answer was finished"):
            await stream.text()
        assert engine.pid is not None
        assert not psutil.pid_exists(engine.pid)
    await pool.unload(small_path)
