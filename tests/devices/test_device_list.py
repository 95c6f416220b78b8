"""Which devices get ledgers, and how much of them models may take."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from minerva_desktop.devices.device_list import (
    DeviceInfo,
    GpuBudgets,
    Holdings,
    budget_keys,
    can_offload,
    discrete_gpus,
    system_kind,
    use_gpus,
)
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.gpu_reading import GpuReading, with_process_bytes
from minerva_desktop.devices.ledgers import CPU, DeviceLedgers, Needs, cpu_ledgers

GB = 10**9
A, B = Path("/a.gguf"), Path("/b.gguf")


def device(
    name: str, kind: GpuDevice, *, free: int = 10 * GB, is_integrated: bool = False
) -> DeviceInfo:
    return DeviceInfo(
        name=name,
        description=name,
        kind=kind,
        total_memory=10 * GB,
        free_memory=free,
        is_integrated=is_integrated,
    )


PROCESSOR = device("CPU", GpuDevice.CPU)
CUDA = device("CUDA0", GpuDevice.CUDA)
METAL = device("MTL0", GpuDevice.METAL)
INTEGRATED = device("Vulkan1", GpuDevice.VULKAN, is_integrated=True)


def test_only_gpus_with_memory_of_their_own_have_ledgers() -> None:
    assert discrete_gpus([INTEGRATED, CUDA, PROCESSOR]) == (CUDA,)
    assert discrete_gpus([METAL, PROCESSOR]) == ()
    assert can_offload([METAL, PROCESSOR])
    assert can_offload([INTEGRATED, PROCESSOR])
    assert not can_offload([PROCESSOR])


def test_the_systems_memory_is_metals_where_there_is_metal() -> None:
    assert system_kind([METAL, PROCESSOR]) is GpuDevice.METAL
    assert system_kind([INTEGRATED, CUDA, PROCESSOR]) is GpuDevice.CPU


def test_a_gpu_gets_four_fifths_of_its_memory_or_what_was_said() -> None:
    ledgers = cpu_ledgers(GB)
    use_gpus(ledgers, [CUDA])
    assert ledgers.room() == {CPU: GB, "CUDA0": 8 * GB}
    assert ledgers.contexts["CUDA0"].device() is GpuDevice.CUDA
    use_gpus(ledgers, [CUDA], {"CUDA0": 3 * GB})
    assert ledgers.room()["CUDA0"] == 3 * GB


def test_each_gpu_has_the_budget_that_was_said_for_it() -> None:
    one = msgspec.structs.replace(CUDA, description="RTX 3060", pci="0000:01:00.0")
    twin = msgspec.structs.replace(one, name="CUDA1", pci="0000:02:00.0")
    other = msgspec.structs.replace(one, name="CUDA2", description="RTX 4090", pci="")
    assert budget_keys(other, [one, twin, other])[0] == "RTX 4090"
    assert budget_keys(twin, [one, twin, other]) == ("RTX 3060 (0000:02:00.0)", "RTX 3060")
    # As when the twin is hidden: what was said of this very card still holds.
    assert budget_keys(twin, [twin]) == ("RTX 3060", "RTX 3060 (0000:02:00.0)")
    silent = [msgspec.structs.replace(gpu, pci="") for gpu in (one, twin)]
    assert budget_keys(silent[1], silent) == ("RTX 3060 (2)", "RTX 3060")
    ledgers = cpu_ledgers(GB)
    wished = {"RTX 3060": 2 * GB, "RTX 3060 (0000:02:00.0)": 3 * GB, "RTX 9090": 9 * GB}
    use_gpus(ledgers, [one, twin, other], wished)
    assert ledgers.room() == {CPU: GB, "CUDA0": 2 * GB, "CUDA1": 3 * GB, "CUDA2": 8 * GB}


class Gpu:
    """A GPU of 24 GB of which others hold 10, and what our models hold there."""

    def __init__(self) -> None:
        self.ledgers: DeviceLedgers = cpu_ledgers(GB, is_strict=True)
        self.budgets = GpuBudgets(self.ledgers)
        self.others = 10 * GB
        self.info = msgspec.structs.replace(CUDA, total_memory=24 * GB)

    def ask(self, ours: int, before: Holdings, after: Holdings | None = None) -> None:
        """Learn what is free while ``ours`` bytes of our models are on it."""
        info = msgspec.structs.replace(self.info, free_memory=24 * GB - self.others - ours)
        self.budgets.learn([info], before, after or before)
        self.budgets.apply([info])

    @property
    def available(self) -> int:
        return self.ledgers.contexts["CUDA0"].available_memory()


@pytest.fixture
def gpu() -> Gpu:
    gpu = Gpu()
    gpu.ask(0, Holdings())
    assert gpu.available == 14 * GB
    return gpu


def on_gpu(n_gb: int) -> Needs:
    return {"CUDA0": n_gb * GB}


def test_what_models_take_after_the_gpu_was_asked_counts_once(gpu: Gpu) -> None:
    taken = gpu.ledgers.allocate(on_gpu(8))
    gpu.budgets.apply([gpu.info])
    assert gpu.available == 6 * GB
    assert gpu.budgets.now([gpu.info])[0].free_memory == 6 * GB
    gpu.ask(8 * GB, Holdings({A: on_gpu(8)}))
    assert gpu.available == 6 * GB
    gpu.ledgers.deallocate(taken)
    gpu.budgets.apply([gpu.info])
    assert gpu.available == 14 * GB


@pytest.mark.parametrize("n_loaded", [0, 3, 8])
def test_a_model_that_still_loads_counts_once_however_far_it_is(gpu: Gpu, n_loaded: int) -> None:
    gpu.ledgers.allocate(on_gpu(8))
    gpu.ask(n_loaded * GB, Holdings(moving={A: on_gpu(8)}))
    assert gpu.available == 6 * GB


def test_models_that_come_and_go_while_the_gpu_is_asked_do_not_mislead(gpu: Gpu) -> None:
    gpu.ledgers.allocate(on_gpu(8))
    for n_gb in (0, 8, 13):
        gpu.ask(n_gb * GB, Holdings({A: on_gpu(5)}), Holdings({B: on_gpu(8)}))
        assert gpu.available == 6 * GB


def test_other_programs_are_seen_though_a_model_loads(gpu: Gpu) -> None:
    gpu.others = 15 * GB
    gpu.ask(0, Holdings(moving={A: on_gpu(3)}))  # at least 12 GB are theirs
    assert gpu.available == 12 * GB
    gpu.ask(0, Holdings())
    assert gpu.available == 9 * GB
    gpu.others = 2 * GB
    gpu.ask(3 * GB, Holdings(moving={A: on_gpu(3)}))
    assert gpu.available == 19 * GB  # at most 5 GB are theirs


def test_a_gpu_that_does_not_tell_its_memory_has_the_budget_that_was_said() -> None:
    ledgers = cpu_ledgers(GB)
    silent = msgspec.structs.replace(CUDA, total_memory=0, free_memory=0)
    use_gpus(ledgers, [silent], {silent.description: 3 * GB})
    assert ledgers.room()["CUDA0"] == 3 * GB


def test_the_context_of_the_process_that_asks_is_no_other_programs(gpu: Gpu) -> None:
    gpu.info = msgspec.structs.replace(gpu.info, process_bytes=GB)
    gpu.ask(GB, Holdings())  # its context alone is there beside what others hold
    assert gpu.available == 14 * GB


def reading(*, used: int | None, pci: str = "") -> GpuReading:
    return GpuReading(
        name="NVIDIA Test",
        total=24 * GB,
        used=used,
        used_by_engines=None,
        pci=pci,
        maker="NVIDIA",
    )


def test_what_a_context_takes_is_what_the_driver_had_free_before_it() -> None:
    one = device("CUDA0", GpuDevice.CUDA, free=13 * GB + GB // 2)
    fuller = msgspec.structs.replace(one, name="CUDA1", free_memory=2 * GB, pci="0000:02:00.0")
    vulkan = device("Vulkan0", GpuDevice.VULKAN, free=13 * GB)
    before = [reading(used=10 * GB), reading(used=21 * GB + GB // 4, pci="0000:02:00.0")]
    told = with_process_bytes([one, fuller, vulkan, PROCESSOR], before)
    assert [each.process_bytes for each in told] == [GB // 2, 3 * GB // 4, 0, 0]
    assert with_process_bytes([one], []) == (one,)


@pytest.mark.parametrize("used", [None, 8 * GB, 11 * GB])
def test_what_cannot_be_a_context_is_none(used: int | None) -> None:
    """The driver keeps quiet, or another program gave or took memory just then."""
    gpu = device("CUDA0", GpuDevice.CUDA, free=13 * GB + GB // 2)
    assert with_process_bytes([gpu], [reading(used=used)]) == (gpu,)
