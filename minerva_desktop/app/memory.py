"""The memory gauge's numbers, in the window's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.units import format_bytes

if TYPE_CHECKING:  # it brings psutil, which would make the window's start slower
    from minerva_desktop.devices.system_memory import MemorySnapshot


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Bytes of the memory that models are in; None where nothing is known. ``label`` names it,
    ``kind`` says whose it is (``CPU``: the system's), ``unused_gpu`` why a GPU of this machine is
    not used though models run, with what to install."""

    total: int | None
    models: int | None
    others: int | None
    free: int | None
    label: str
    detail: str
    kind: GpuDevice = GpuDevice.CPU
    unused_gpu: str | None = None


UNKNOWN_MEMORY = MemoryReading(None, None, None, None, "Memory", "It could not be measured")


def memory_reading(snapshot: MemorySnapshot) -> MemoryReading:
    """What the gauge shows of a measurement."""
    label = "Memory" if snapshot.kind is GpuDevice.CPU else snapshot.device_name
    lines = (snapshot.reason, _activity(snapshot), *_each_gpu(snapshot))
    detail = "\n".join(line for line in lines if line)
    unused = snapshot.reason if snapshot.has_unused_gpu else None
    if snapshot.total == 0:
        return MemoryReading(None, None, None, None, label, detail, snapshot.kind)
    return MemoryReading(
        snapshot.total,
        snapshot.used_by_models,
        snapshot.used_by_others,
        snapshot.free,
        label,
        detail,
        snapshot.kind,
        unused,
    )


def _each_gpu(snapshot: MemorySnapshot) -> list[str]:
    """``RTX 4090: 18.2 GB of 24.0 GB in use``, where the numbers are those of several GPUs."""
    gpus = [part for part in snapshot.parts if part.device != CPU]
    if snapshot.kind is GpuDevice.CPU or len(gpus) < 2:
        return []
    return [
        f"{gpu.label}: {format_bytes(gpu.total - gpu.free)} of {format_bytes(gpu.total)} in use"
        for gpu in gpus
    ]


def _activity(snapshot: MemorySnapshot) -> str:
    """``GPU 97 % busy, 71 °C``; empty where it isn't told."""
    parts = []
    if snapshot.utilisation is not None:
        parts.append(f"GPU {snapshot.utilisation:.0%} busy".replace("%", " %"))
    if snapshot.celsius is not None:
        parts.append(f"{snapshot.celsius:.0f} °C")
    return ", ".join(parts)
