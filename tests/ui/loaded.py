"""Loaded models and measured memories for tests of the gauge and its panel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minerva_desktop.app.loaded_models import HeldMemory, LoadedModel, TimeToLive
from minerva_desktop.app.memory import DeviceReading, MemoryReading
from minerva_desktop.ui.memory_shares import ColourSlots, DeviceShares

GB = 1_000_000_000


def device(
    total: int,
    models: int,
    others: int,
    *,
    device: str = "CPU",
    name: str = "Memory",
    short: str = "",
    budget: int | None = None,
    detail: str = "",
) -> DeviceReading:
    """A memory with these bytes; what is left is free."""
    free = total - models - others
    return DeviceReading(device, name, short or name, total, models, others, free, budget, detail)


SYSTEM = MemoryReading((device(8 * GB, 4 * GB, 2 * GB),))
RAM = device(32 * GB, GB, 7 * GB, name="RAM", budget=8 * GB)
FIRST = device(
    24 * GB, 18 * GB, GB, device="CUDA0", name="NVIDIA RTX 4090", short="GPU 1", budget=19 * GB
)
SECOND = device(12 * GB, 3 * GB, 3 * GB, device="CUDA1", name="NVIDIA RTX 3060", short="GPU 2")
TWO_GPUS = MemoryReading((RAM, FIRST, SECOND))


def shares(
    *readings: DeviceReading, models: Sequence[LoadedModel] = ()
) -> tuple[DeviceShares, ...]:
    """What the gauge is given."""
    return ColourSlots().shares(models, MemoryReading(readings))


def loaded(
    name: str,
    *,
    n_gb: int = 1,
    held: tuple[HeldMemory, ...] | None = None,
    pinned: bool = False,
    speed: float | None = None,
    n_gpu_layers: int = 0,
    reasons: tuple[str, ...] = (),
) -> LoadedModel:
    """A model of ``n_gb`` gigabytes of weights, and 0.1 each for its KV cache and its buffers, on
    the CPU, unless it holds other memory."""
    return LoadedModel(
        path=Path(f"/m/{name}.gguf"),
        name=name,
        held=held or (HeldMemory("CPU", n_gb * GB, GB // 10, GB // 10),),
        pinned=pinned,
        in_use=speed is not None,
        time_to_live=TimeToLive(None, is_own=False),
        tokens_per_second=speed,
        n_ctx=8192,
        n_layers=31,
        n_gpu_layers=n_gpu_layers,
        reasons=reasons,
    )
