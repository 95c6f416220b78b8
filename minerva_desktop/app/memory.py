"""The memory gauge's numbers, in the window's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from minerva_desktop.devices.gpu_context import GpuDevice

if TYPE_CHECKING:  # it brings psutil, which would make the window's start slower
    from minerva_desktop.devices.memory import MemorySnapshot


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
    detail = "\n".join(part for part in (snapshot.reason, _activity(snapshot)) if part)
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


def _activity(snapshot: MemorySnapshot) -> str:
    """``GPU 97 % busy, 71 °C``; empty where it isn't told."""
    parts = []
    if snapshot.utilisation is not None:
        parts.append(f"GPU {snapshot.utilisation:.0%} busy".replace("%", " %"))
    if snapshot.celsius is not None:
        parts.append(f"{snapshot.celsius:.0f} °C")
    return ", ".join(parts)
