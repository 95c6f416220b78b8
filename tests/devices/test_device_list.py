"""Which devices get ledgers, and how much of them models may take."""

from __future__ import annotations

from minerva_desktop.devices.device_list import (
    DeviceInfo,
    can_offload,
    discrete_gpus,
    use_gpus,
)
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU, cpu_ledgers

GB = 10**9


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


def test_a_gpu_gets_four_fifths_of_its_memory_or_what_was_said() -> None:
    ledgers = cpu_ledgers(GB)
    use_gpus(ledgers, [CUDA])
    assert ledgers.room() == {CPU: GB, "CUDA0": 8 * GB}
    assert ledgers.contexts["CUDA0"].device() is GpuDevice.CUDA
    use_gpus(ledgers, [CUDA], 3 * GB)
    assert ledgers.room()["CUDA0"] == 3 * GB


def test_never_more_than_other_programs_leave() -> None:
    ledgers = cpu_ledgers(GB)
    use_gpus(ledgers, [CUDA])
    ledgers.allocate({"CUDA0": 2 * GB})
    crowded = device("CUDA0", GpuDevice.CUDA, free=1 * GB)
    use_gpus(ledgers, [crowded])
    assert ledgers.contexts["CUDA0"].max_memory() == 3 * GB
    assert ledgers.room({"CUDA0": 2 * GB})["CUDA0"] == 1 * GB
    assert ledgers.missing({"CUDA0": 2 * GB}) == {"CUDA0": 1 * GB}
    assert ledgers.missing({"CUDA0": 2 * GB}, {"CUDA0": 2 * GB}) == {}
