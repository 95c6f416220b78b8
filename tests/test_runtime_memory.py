"""Devices, budgets and pressure as the runtime sees to them, with real models."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from minerva_desktop.app.memory_budgets import GpuMemories, gpu_budgets, system_budget
from minerva_desktop.app.model_actions import MemoryGivenBack, told
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.devices.device_list import DeviceInfo, DeviceList
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.devices.memory import MemoryProbe
from minerva_desktop.devices.nvml import NvmlProbe
from minerva_desktop.devices.pressure import CALM_LOOKS
from minerva_desktop.engine.load_options import KvType, LoadOptions
from minerva_desktop.engine.pool_events import (
    GoneCause,
    MemoryTrimmed,
    ModelGone,
    ModelLoading,
    PoolEvent,
)
from minerva_desktop.errors import ModelLoadError, OutOfMemory
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.library.fit import LEAST_N_CTX
from minerva_desktop.library.measured_memory import MeasuredMemory
from minerva_desktop.load_choice import model_needs
from minerva_desktop.runtime import Runtime
from minerva_desktop.units import format_bytes
from tests.devices.nvml_script import Gpu, ScriptedNvml

GB = 10**9
SMALL = LoadOptions(n_ctx=512)
Memory = namedtuple("Memory", "total available")


def device(name: str, kind: GpuDevice, *, n_bytes: int = 8 * GB, free: int = 8 * GB) -> DeviceInfo:
    return DeviceInfo(
        name=name, description=name, kind=kind, total_memory=n_bytes, free_memory=free
    )


@pytest.fixture
def catalog(small_catalog: Catalog) -> Catalog:
    """A library with the small model only."""
    return small_catalog


@pytest.fixture
def short_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Lets the system's memory look full, or nearly empty."""

    def look(is_full: bool) -> None:
        memory = Memory(16 * GB, GB // 4 if is_full else 15 * GB)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
        monkeypatch.setattr("minerva_desktop.devices.system_memory.group_memory", lambda: None)

    return look


async def test_apples_memory_is_metals_with_half_of_it(catalog: Catalog, small_path: Path) -> None:
    metal, cpu = device("MTL0", GpuDevice.METAL), device("CPU", GpuDevice.CPU)

    async def find() -> DeviceList:
        return DeviceList((metal, cpu))

    runtime = Runtime(catalog, SMALL, find_devices=find)
    await runtime.fit_of(small_path)
    ledger = runtime.pool.ledgers.contexts[CPU]
    assert set(runtime.pool.ledgers.contexts) == {CPU}
    assert ledger.device() is GpuDevice.METAL
    assert ledger.max_memory() == (await runtime.system_memory()).total // 2
    runtime.set_memory_budget(10**6)
    with pytest.raises(OutOfMemory, match=r"^GPU memory exceeded"):
        async with runtime.pool.lease(small_path):
            raise AssertionError("there is no room")
    await runtime.close()


async def test_that_devices_are_not_known_is_not_hidden(catalog: Catalog) -> None:
    async def find() -> DeviceList:
        return DeviceList(None, "It died.")

    runtime = Runtime(catalog, SMALL, find_devices=find)
    assert gpu_budgets(await runtime.devices()) == GpuMemories((), "It died.")
    await runtime.close()


async def test_a_processor_of_intel_beside_metal_gives_models_half_its_memory(
    catalog: Catalog, short_memory: Callable[[bool], None]
) -> None:
    short_memory(False)
    metal = device("MTL0", GpuDevice.METAL)

    async def find() -> DeviceList:
        return DeviceList((metal,))

    runtime = Runtime(catalog, SMALL, find_devices=find)
    system = msgspec.structs.replace(await runtime.system_memory(), kind=GpuDevice.CPU)
    before = system_budget(system, runtime.memory_kind)
    assert before.automatic == runtime.budgets(system)[CPU] == 4 * GB
    await runtime.devices()
    after = system_budget(system, runtime.memory_kind)
    assert after.automatic == runtime.budgets(system)[CPU] == 8 * GB
    await runtime.close()


async def test_a_model_whose_file_goes_while_it_loads_can_be_used(
    catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.gguf"
    shutil.copy(small_path, mine)

    events: list[PoolEvent] = []

    def remove(event: PoolEvent) -> None:
        events.append(event)
        # The pool's own word that it begins, then the child's, which has opened the file.
        if events == [ModelLoading(mine, 0.0), ModelLoading(mine, 0.0)]:
            mine.unlink()

    measured = MeasuredMemory(tmp_path / "measured.json")
    runtime = Runtime(catalog, SMALL, measured=measured, on_event=remove)
    for _ in range(2):
        async with runtime.pool.lease(mine) as engine:
            assert await engine.generate("The sea", 1).text()
    await runtime.close()
    assert runtime.pool.ledgers.contexts[CPU].allocated_memory() == 0


async def test_where_memory_is_short_the_spare_process_goes_and_then_an_idle_model(
    catalog: Catalog,
    small_path: Path,
    short_memory: Callable[[bool], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: list[PoolEvent] = []
    runtime = Runtime(catalog, SMALL, on_event=events.append)
    short_memory(False)
    async with runtime.pool.lease(small_path):
        assert len(psutil.Process().children()) >= 1
    while len(psutil.Process().children()) < 2:  # the spare one comes after the load
        await runtime.measure_memory()
    short_memory(True)
    await runtime.measure_memory()
    assert runtime.pool.loaded() == [small_path]
    assert len(psutil.Process().children()) == 1
    while runtime.pool.loaded():  # a child may have some freed memory to give back first
        await runtime.measure_memory()
    await runtime.pool.unload(small_path)  # waits for its end
    (gone,) = [event for event in events if isinstance(event, ModelGone)]
    assert gone.cause is GoneCause.PRESSURE
    assert gone.error is not None
    assert gone.error.message.startswith(f"{small_path.stem} was unloaded: other programs left")
    assert gone.error.message in caplog.text  # so that `serve` tells it, too
    short_memory(False)  # beyond what is free nothing is loaded unasked
    async with runtime.pool.lease(small_path):
        pass
    await runtime.measure_memory()
    await runtime.close()
    assert psutil.Process().children() == []


async def test_where_memory_is_short_what_chats_left_goes_before_a_model(
    catalog: Catalog,
    generated: Callable[..., Path],
    short_memory: Callable[[bool], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shape = {"n_layers": 4, "width": 64, "n_heads": 8, "kv_heads": 8, "feed": 128, "head": 256}
    path = generated("llama", **shape, type_name="Q4_1")
    greedy = SamplingParameters(temperature=0.0, max_tokens=24, ignore_eos=True)
    events: list[PoolEvent] = []
    runtime = Runtime(catalog, LoadOptions(n_ctx=2048, n_threads=2), on_event=events.append)
    short_memory(False)
    async with runtime.pool.lease(path) as engine:
        await engine.generate(tuple(range(500, 1100)), sampling=greedy).text()
        text = await engine.generate("The harbour town", sampling=greedy).text()
    short_memory(True)
    await runtime.measure_memory()  # the spare process goes
    assert not any(isinstance(event, MemoryTrimmed) for event in events)
    await runtime.measure_memory()
    (trimmed,) = [event for event in events if isinstance(event, MemoryTrimmed)]
    assert trimmed.paths == (path,)
    assert trimmed.n_bytes == pytest.approx(600 * 32 * 1024, rel=0.25)
    assert trimmed.message.startswith(f"{format_bytes(trimmed.n_bytes)} of memory that kept chats")
    assert "were given back: other programs left only " in trimmed.message
    assert trimmed.message in caplog.text
    assert told(trimmed) == MemoryGivenBack(f"{trimmed.message}.")
    assert runtime.pool.loaded() == [path]
    async with runtime.pool.lease(path) as engine:
        assert await engine.generate("The harbour town", sampling=greedy).text() == text
    while runtime.pool.loaded():  # there is nothing left to trim
        await runtime.measure_memory()
    await runtime.close()


async def test_a_model_that_is_used_all_the_time_does_not_keep_an_idle_one_loaded(
    catalog: Catalog,
    generated: Callable[..., Path],
    small_path: Path,
    short_memory: Callable[[bool], None],
) -> None:
    shape = {"n_layers": 4, "width": 64, "n_heads": 8, "kv_heads": 8, "feed": 128, "head": 256}
    path = generated("llama", **shape, type_name="Q4_1")
    greedy = SamplingParameters(temperature=0.0, max_tokens=24, ignore_eos=True)
    events: list[PoolEvent] = []
    runtime = Runtime(catalog, LoadOptions(n_ctx=2048, n_threads=2), on_event=events.append)

    async def talk() -> tuple[int, int]:
        """Two chats, of which the first makes way for the second; how many tokens of the first the
        model still had, and how often memory was given back."""
        async with runtime.pool.lease(path) as engine:
            chat = engine.generate(tuple(range(500, 1100)), sampling=greedy)
            n_cached = (await chat.wait_completion()).timings.cached_tokens
            await engine.generate("The harbour town", sampling=greedy).text()
        return n_cached, sum(isinstance(event, MemoryTrimmed) for event in events)

    short_memory(False)
    async with runtime.pool.lease(small_path):
        pass
    await talk()
    short_memory(True)
    for _ in range(2):  # the spare process goes, then what the chat left
        await runtime.measure_memory()
    assert await talk() == (0, 1)
    await runtime.measure_memory()
    await runtime.pool.unload(small_path)  # waits for its end
    gone = [(event.path, event.cause) for event in events if isinstance(event, ModelGone)]
    assert gone == [(small_path, GoneCause.PRESSURE)]
    short_memory(False)
    for _ in range(CALM_LOOKS):
        await runtime.measure_memory()
    await talk()
    short_memory(True)  # a new shortage: the chat had made way for the short one again
    await runtime.measure_memory()
    assert sum(isinstance(event, MemoryTrimmed) for event in events) == 2
    await runtime.close()


async def test_a_short_gpu_costs_no_model_that_is_not_on_it(
    catalog: Catalog, small_path: Path, short_memory: Callable[[bool], None]
) -> None:
    short_memory(False)

    async def find() -> DeviceList:
        return DeviceList((device("CUDA0", GpuDevice.CUDA, n_bytes=24 * GB, free=GB),))

    probe = MemoryProbe(NvmlProbe(ScriptedNvml(Gpu(used=24 * GB - 1))))
    runtime = Runtime(catalog, SMALL, find_devices=find, probe=probe)
    runtime.keeps_spare = False
    runtime.set_load_options(LoadOptions(n_ctx=512, n_gpu_layers=0))
    async with runtime.pool.lease(small_path):
        pass
    await runtime.measure_memory()
    snapshot = await runtime.measure_memory()
    assert snapshot.parts[1].device == "CUDA0"
    assert snapshot.parts[1].free == 1
    assert runtime.pool.loaded() == [small_path]
    await runtime.close()


async def test_no_model_goes_for_a_file_that_llama_cpp_refuses(
    catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    """It went, and was loaded again once the load had failed."""
    content, bad = small_path.read_bytes(), tmp_path / "bad.gguf"
    at = content.index(b"smollm", content.index(b"tokenizer.ggml.pre"))
    bad.write_bytes(content[:at] + b"nobody" + content[at + 6 :])
    events: list[PoolEvent] = []
    runtime = Runtime(catalog, SMALL, on_event=events.append)
    needed = sum((await runtime.fit_of(small_path)).choice.needs.values())
    runtime.set_memory_budget(needed + needed // 20)
    async with runtime.pool.lease(small_path):
        pass
    with pytest.raises(ModelLoadError, match="unknown pre-tokenizer type: 'nobody'"):
        async with runtime.pool.lease(bad):
            raise AssertionError("it is loaded")
    gone = [each.path for each in events if isinstance(each, ModelGone)]
    await runtime.close()
    assert gone == [bad]


async def test_options_of_single_models_are_those_of_their_loads(
    catalog: Catalog, small_path: Path
) -> None:
    runtime = Runtime(catalog, SMALL)
    runtime.keeps_spare = False
    runtime.set_load_options(SMALL, {small_path: LoadOptions(n_ctx=256)})
    async with runtime.pool.lease(small_path) as engine:
        assert engine.get_context_info().n_ctx == 256
    plan = await runtime.fit_of(small_path, LoadOptions(n_ctx=1024))
    assert plan.choice.options.n_ctx == 1024
    runtime.set_load_options(SMALL)
    async with runtime.pool.lease(small_path) as engine:
        assert engine.get_context_info().n_ctx == 512
    await runtime.close()


async def test_a_model_that_is_loaded_beside_a_busy_one_knows_what_it_would_get_alone(
    catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    async def find() -> DeviceList:
        return DeviceList(())

    beside = tmp_path / "beside.gguf"
    shutil.copy(small_path, beside)
    runtime = Runtime(catalog, LoadOptions(), find_devices=find)
    runtime.keeps_spare = False
    runtime.pool.own_options = {small_path: LoadOptions(n_ctx=8192)}
    less = LoadOptions(n_ctx=2048, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0)
    async with runtime.pool.lease(small_path):
        busy = runtime.pool.held(small_path)[CPU]
        runtime.set_memory_budget(busy + model_needs(beside, less)[CPU] + 10**6)
        async with runtime.pool.lease(beside) as engine:
            n_ctx, alone = engine.get_context_info().n_ctx, runtime.pool.n_ctx_alone(beside)
        assert runtime.pool.n_ctx_alone(small_path) is None
    assert alone is not None
    assert (LEAST_N_CTX <= n_ctx < 4096, alone) == (True, 8192)
    plan = await runtime.fit_of(beside, LoadOptions())  # the other one is idle now
    assert (plan.choice.options.n_ctx, plan.unloads) == (alone, (small_path,))
    await runtime.close()
