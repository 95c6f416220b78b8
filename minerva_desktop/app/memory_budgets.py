"""How much memory models may take: what the settings say, and what holds where they say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from minerva_desktop.devices.device_list import DeviceList, budget_keys, discrete_gpus
from minerva_desktop.devices.gpu_context import GpuDevice, default_budget
from minerva_desktop.devices.ledgers import Needs
from minerva_desktop.settings import Settings
from minerva_desktop.units import format_bytes

if TYPE_CHECKING:  # it brings psutil, which would make the window's start slower
    from minerva_desktop.devices.system_memory import MemoryPart

GB = 10**9


class DeviceBudget(msgspec.Struct, frozen=True):
    """A memory of ``total`` bytes (0: unknown) of which models may take ``automatic`` bytes, unless
    the settings say otherwise: those of a GPU by the first of its ``keys`` that they know. The
    system's memory has none."""

    keys: tuple[str, ...]
    name: str
    total: int
    automatic: int

    @property
    def hint(self) -> str:
        """``of 24.0 GB``."""
        return f"of {format_bytes(self.total)}" if self.total else "its size is not known"


class GpuMemories(msgspec.Struct, frozen=True):
    """The ``budgets`` of the GPUs with memory of their own; ``problem`` says why they are not
    known, in a sentence, and is empty where they are."""

    budgets: tuple[DeviceBudget, ...]
    problem: str = ""


def system_budget(system: MemoryPart, kind: GpuDevice) -> DeviceBudget:
    """That of the system's memory, which is of the ``kind`` that ggml's devices tell, where these
    are known (`device_list.system_kind`): on a Mac with an Intel processor Metal uses it, too."""
    is_metal = GpuDevice.METAL in (kind, system.kind)
    automatic = default_budget(GpuDevice.METAL if is_metal else GpuDevice.CPU, system.total)
    return DeviceBudget((), system.label, system.total, automatic)


def gpu_budgets(known: DeviceList) -> GpuMemories:
    """Those of the GPUs with memory of their own among ggml's devices."""
    gpus = discrete_gpus(known.devices or ())
    found = []
    for gpu in gpus:
        keys = budget_keys(gpu, gpus)
        automatic = default_budget(gpu.kind, gpu.total_memory)
        found.append(DeviceBudget(keys, keys[0], gpu.total_memory, automatic))
    return GpuMemories(tuple(found), known.problem)


def chosen_gb(settings: Settings, budget: DeviceBudget) -> float | None:
    """What the settings say of a memory, in units of 10^9 bytes; None: automatic."""
    if not budget.keys:
        return settings.memory_gb
    return next((settings.gpu_gb[key] for key in budget.keys if key in settings.gpu_gb), None)


def with_gpu_gb(
    settings: Settings, chosen: Mapping[DeviceBudget, float | None]
) -> dict[str, float]:
    """``settings.gpu_gb`` with what was ``chosen`` for GPUs that are there; what they say of others
    stays."""
    changed = dict(settings.gpu_gb)
    for budget in chosen:
        for key in budget.keys:
            changed.pop(key, None)
    own = {budget.keys[0]: n_gb for budget, n_gb in chosen.items() if n_gb is not None}
    return changed | own


def memory_bytes(settings: Settings) -> int | None:
    """What loaded models may take of the system's memory together; None: a share of it."""
    return None if settings.memory_gb is None else round(settings.memory_gb * GB)


def gpu_bytes(settings: Settings) -> Needs:
    """What loaded models may take of the memory of GPUs, by `DeviceBudget.keys`; a share of those
    that are not named."""
    return {key: round(n_gb * GB) for key, n_gb in settings.gpu_gb.items()}
