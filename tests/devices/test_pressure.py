"""When memory is short, and how that is put into words."""

from __future__ import annotations

import msgspec

from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.devices.pressure import Shortage, is_short, shortages
from minerva_desktop.devices.system_memory import MemoryPart, MemorySnapshot

GB = 10**9


def part(device: str, *, models: int, others: int) -> MemoryPart:
    """A memory of 16 GB."""
    return MemoryPart(
        device=device,
        label="RTX",
        kind=GpuDevice.CPU if device == CPU else GpuDevice.CUDA,
        total=16 * GB,
        used_by_models=models,
        used_by_others=others,
        free=16 * GB - models - others,
    )


def snapshot(system: MemoryPart, *gpus: MemoryPart) -> MemorySnapshot:
    return MemorySnapshot(system=system, gpus=gpus)


def test_memory_is_short_where_the_system_would_swap() -> None:
    gib = 1 << 30
    assert is_short(gib // 2, 16 * gib)
    assert not is_short(gib, 16 * gib)
    assert not is_short(gib, 512 * gib)
    assert not is_short(0, 0)  # nothing is known


def test_each_device_is_judged_by_itself_and_told_by_who_holds_it() -> None:
    system = part(CPU, models=2 * GB, others=13_500_000_000)
    gpu = part("CUDA0", models=12 * GB, others=3_600_000_000)
    wide = part("CUDA1", models=GB, others=GB)
    assert shortages(snapshot(system, gpu, wide)) == (
        Shortage(CPU, "other programs left only 500.0 MB of memory free"),
        Shortage(
            "CUDA0",
            "the loaded models took 12.0 GB, which left only 400.0 MB of the memory of RTX free",
        ),
    )
    assert shortages(snapshot(wide)) == ()


def test_what_is_not_known_for_sure_costs_no_model() -> None:
    system = part(CPU, models=GB, others=GB)
    full = part("CUDA0", models=0, others=16 * GB)
    told_before = msgspec.structs.replace(full, is_fresh=False)
    whose = msgspec.structs.replace(full, device="")
    assert shortages(snapshot(system, told_before, whose)) == ()
    assert len(shortages(snapshot(system, full))) == 1
