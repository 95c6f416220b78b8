"""The system's memory, and who uses it: `psutil`'s numbers in words of models. Any thread."""

from __future__ import annotations

import platform
import sys
from collections.abc import Collection

import msgspec
import psutil

from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU


class MemoryPart(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of the memory of one device; ``device`` is its ledger's name, ``label`` one for
    people. Bytes; the three parts make up ``total``."""

    device: str
    label: str
    total: int
    used_by_models: int
    used_by_others: int
    free: int


class MemorySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of the memory that models are in. Bytes; the three parts make up ``total``.

    ``kind`` and ``device_name`` say whose memory it is. ``utilisation`` of the GPU from 0.0 to
    1.0 and ``celsius``, its temperature, are None where they aren't known. ``reason`` is a
    sentence on why these are not (or not wholly) a GPU's numbers, None when they are;
    ``has_unused_gpu``: because llama.cpp cannot use the GPU that there is, or seems to be.
    ``parts``: the system's memory, then that of each GPU whose driver tells it.
    """

    kind: GpuDevice
    device_name: str
    total: int
    used_by_models: int
    used_by_others: int
    free: int
    utilisation: float | None = None
    celsius: float | None = None
    reason: str | None = None
    has_unused_gpu: bool = False
    parts: tuple[MemoryPart, ...] = ()

    def part(self) -> MemoryPart:
        """The same as a part, of a snapshot of the system's memory."""
        return MemoryPart(
            device=CPU,
            label="memory",
            total=self.total,
            used_by_models=self.used_by_models,
            used_by_others=self.used_by_others,
            free=self.free,
        )


def system_snapshot(engine_pids: Collection[int] = (), reason: str | None = None) -> MemorySnapshot:
    """The machine's own memory: all there is on CPU, and the GPU's too on Apple silicon, where
    ``reason`` is not given on."""
    is_unified = sys.platform == "darwin" and platform.machine() == "arm64"
    kind = GpuDevice.METAL if is_unified else GpuDevice.CPU
    name = "Unified memory" if is_unified else "System memory"
    try:
        memory = psutil.virtual_memory()
    except (psutil.Error, OSError) as error:
        return MemorySnapshot(
            kind=kind,
            device_name=name,
            total=0,
            used_by_models=0,
            used_by_others=0,
            free=0,
            reason=f"The system does not tell its memory: {error}.",
        )
    resident, private = _engines_memory(engine_pids)
    # A mapped model file is resident in its engine and yet "available", because the system could
    # drop it. For the person it is in use: by the model, not by others.
    total = memory.total
    models = min(resident, total)
    others = min(max(0, total - memory.available - private), total - models)
    return MemorySnapshot(
        kind=kind,
        device_name=name,
        total=total,
        used_by_models=models,
        used_by_others=others,
        free=total - models - others,
        reason=None if is_unified else reason,
    )


def _engines_memory(pids: Collection[int]) -> tuple[int, int]:
    """Resident bytes of all ``pids``, and those of them that are not pages of files."""
    resident = private = 0
    for pid in pids:
        try:
            memory = psutil.Process(pid).memory_info()
        except (psutil.Error, OSError):
            continue
        resident += memory.rss
        # Only Linux tells the pages that come from files.
        private += memory.rss - getattr(memory, "shared", 0)
    return resident, private
