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
    ``kind`` says whose it is (``CPU``: the system's)."""

    total: int | None
    models: int | None
    others: int | None
    free: int | None
    label: str
    detail: str
    kind: GpuDevice = GpuDevice.CPU


UNKNOWN_MEMORY = MemoryReading(None, None, None, None, "Memory", "It could not be measured")


def memory_reading(snapshot: MemorySnapshot) -> MemoryReading:
    """What the gauge shows of a measurement."""
    label = "Memory" if snapshot.kind is GpuDevice.CPU else snapshot.device_name
    detail = snapshot.reason or ""
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
    )
