"""The system's memory, and who uses it: `psutil`'s numbers in words of models. Any thread."""

from __future__ import annotations

import platform
import sys
from collections.abc import Collection

import msgspec
import psutil

from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.devices.memory_group import group_memory


class MemoryPart(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of one memory: the system's, or that of a GPU of its own. Bytes; the three parts
    make up ``total``, which is 0 where nothing is known.

    ``device`` is its ledger's name, empty where nobody knows which of ggml's devices it is;
    ``label`` a name for people, ``kind`` whose memory it is. ``utilisation`` of the GPU from 0.0 to
    1.0 and ``celsius``, its temperature, are None where they aren't known. ``note`` is a sentence
    on what is not known of it. ``is_fresh``: it was measured now, not told by llama.cpp a while
    ago.
    """

    device: str
    label: str
    kind: GpuDevice
    total: int
    used_by_models: int
    used_by_others: int
    free: int
    utilisation: float | None = None
    celsius: float | None = None
    note: str = ""
    is_fresh: bool = True


class MemorySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of all memory that models may be in: the ``system``'s, then that of each of the
    ``gpus`` that have their own.

    ``reason`` is a sentence on why models are in the system's memory, None where some are on a GPU,
    or may be; ``has_unused_gpu``: because llama.cpp cannot use the GPU that there is, or seems to
    be.
    """

    system: MemoryPart
    gpus: tuple[MemoryPart, ...] = ()
    reason: str | None = None
    has_unused_gpu: bool = False

    @property
    def parts(self) -> tuple[MemoryPart, ...]:
        """All of them, the system's first."""
        return (self.system, *self.gpus)


def system_memory(engine_pids: Collection[int] = ()) -> MemoryPart:
    """The machine's own memory, which on Apple silicon is the GPU's, too; as much of it as this
    process may use, where it is in a container, or a service with a limit."""
    is_unified = sys.platform == "darwin" and platform.machine() == "arm64"
    kind = GpuDevice.METAL if is_unified else GpuDevice.CPU
    label = "Unified memory" if is_unified else "System memory"
    try:
        memory = psutil.virtual_memory()
    except (psutil.Error, OSError) as error:
        note = f"The system does not tell its memory: {error}."
        return _part(label, kind, (0, 0, 0), note)
    total, available = memory.total, memory.available
    group = group_memory()
    if group is not None and group.limit < total:
        total, available = group.limit, min(available, group.free)
    resident, private = _engines_memory(engine_pids)
    # A mapped model file is resident in its engine and yet "available", because the system could
    # drop it. For the person it is in use: by the model, not by others.
    models = min(resident, total)
    others = min(max(0, total - available - private), total - models)
    return _part(label, kind, (total, models, others))


def _part(label: str, kind: GpuDevice, amounts: tuple[int, int, int], note: str = "") -> MemoryPart:
    total, models, others = amounts
    return MemoryPart(
        device=CPU,
        label=label,
        kind=kind,
        total=total,
        used_by_models=models,
        used_by_others=others,
        free=total - models - others,
        note=note,
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
