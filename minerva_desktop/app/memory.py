"""The memory gauge's numbers, in the window's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU, NOTHING, Needs

if TYPE_CHECKING:  # it brings psutil, which would make the window's start slower
    from minerva_desktop.devices.system_memory import MemoryPart, MemorySnapshot

MEMORY, RAM, GPU = "Memory", "RAM", "GPU"


class DeviceReading(msgspec.Struct, frozen=True):
    """One memory that models may be in. Bytes; None where nothing is known. ``device`` is its
    ledger's name, empty where that is not known; ``name`` and ``short`` are for people: ``NVIDIA
    RTX 4090``, ``GPU 1``. ``budget`` is what models may take of it, and ``detail`` are lines on
    what else there is to tell."""

    device: str
    name: str
    short: str
    total: int | None
    models: int | None
    others: int | None
    free: int | None
    budget: int | None = None
    detail: str = ""

    @property
    def used(self) -> int | None:
        """What is in use, by whom ever."""
        return None if self.models is None or self.others is None else self.models + self.others

    @property
    def process_words(self) -> str:
        """What the processes of models take of it beside the models themselves."""
        return "Python and libraries" if self.device == CPU else "driver and libraries"


class MemoryReading(msgspec.Struct, frozen=True):
    """A moment of all memory that models may be in: the system's, then that of each GPU with its
    own. ``unused_gpu``: why a GPU of this machine is not used though models run, with what to
    install."""

    devices: tuple[DeviceReading, ...]
    unused_gpu: str | None = None


UNKNOWN_MEMORY = MemoryReading(
    (DeviceReading(CPU, MEMORY, MEMORY, None, None, None, None, detail="It could not be measured"),)
)


def memory_reading(snapshot: MemorySnapshot, budgets: Needs = NOTHING) -> MemoryReading:
    """What the gauge shows of a measurement; ``budgets`` in bytes by ledger."""
    reason, system = snapshot.reason or "", snapshot.system
    label = MEMORY if system.kind is GpuDevice.CPU else system.label
    name = RAM if snapshot.gpus else label
    readings = [_reading(system, name, name, budgets, reason)]
    for number, gpu in enumerate(snapshot.gpus, start=1):
        short = GPU if len(snapshot.gpus) == 1 else f"{GPU} {number}"
        readings.append(_reading(gpu, gpu.label, short, budgets))
    return MemoryReading(tuple(readings), reason if snapshot.has_unused_gpu else None)


def _reading(
    part: MemoryPart, name: str, short: str, budgets: Needs, reason: str = ""
) -> DeviceReading:
    detail = "\n".join(line for line in (part.note, reason, _activity(part)) if line)
    if part.total == 0:
        return DeviceReading(part.device, name, short, None, None, None, None, None, detail)
    return DeviceReading(
        part.device,
        name,
        short,
        part.total,
        part.used_by_models,
        part.used_by_others,
        part.free,
        budgets.get(part.device),
        detail,
    )


def _activity(part: MemoryPart) -> str:
    """``GPU 97 % busy, 71 °C``; empty where it isn't told."""
    told = []
    if part.utilisation is not None:
        told.append(f"GPU {part.utilisation:.0%} busy".replace("%", " %"))
    if part.celsius is not None:
        told.append(f"{part.celsius:.0f} °C")
    return ", ".join(told)
