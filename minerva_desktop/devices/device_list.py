"""The compute devices of ggml, and how much of their memory models may take.

The values come from an engine child, which alone loads ggml. Any thread; `GpuBudgets` one at a
time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.devices.gpu_context import GpuDevice, default_budget
from minerva_desktop.devices.ledgers import NOTHING, DeviceLedgers, Needs, added


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A compute device as ggml lists it. ``kind`` is a `GpuDevice` value; memory in bytes.
    ``is_integrated``: a GPU whose memory is the system's. ``pci``: its address on the bus, such as
    ``0000:c1:00.0``; empty where it has none or ggml does not tell. ``process_bytes``: what each
    process that computes on it takes of it for its context (CUDA); 0 where nobody tells."""

    name: str
    description: str
    kind: GpuDevice
    total_memory: int
    free_memory: int
    is_integrated: bool = False
    pci: str = ""
    process_bytes: int = 0


class DeviceList(msgspec.Struct, frozen=True):
    """All devices, the CPU too, in ggml's order; None where they are not known. ``problem`` then
    says why, in a sentence; it is empty where nobody asked."""

    devices: tuple[DeviceInfo, ...] | None = None
    problem: str = ""


def can_offload(devices: Sequence[DeviceInfo]) -> bool:
    """Whether llama.cpp finds any GPU that it can use."""
    return any(device.kind is not GpuDevice.CPU for device in devices)


def discrete_gpus(devices: Sequence[DeviceInfo]) -> tuple[DeviceInfo, ...]:
    """The GPUs with memory of their own, in ggml's order: llama.cpp spreads a model's layers over
    all of them, and leaves integrated ones out where there are any. What an integrated GPU or
    Apple's holds is in the system's memory, and counts there."""
    return tuple(
        device
        for device in devices
        if device.kind not in (GpuDevice.CPU, GpuDevice.METAL) and not device.is_integrated
    )


def system_kind(devices: Sequence[DeviceInfo]) -> GpuDevice:
    """Whose the system's memory is: Metal's, where that is among the devices, else the CPU's."""
    has_metal = any(device.kind is GpuDevice.METAL for device in devices)
    return GpuDevice.METAL if has_metal else GpuDevice.CPU


def budget_keys(gpu: DeviceInfo, gpus: Sequence[DeviceInfo]) -> tuple[str, ...]:
    """By which names the settings know the budget of one of the ``gpus``, its own one first: what
    ggml calls them (``CUDA0``) depends on the build and on which of them it may see. Cards of the
    same name are told apart by their address on the bus, also while the others are not seen, or by
    their order; a budget for the bare name holds for all of them that have none of their own."""
    name = gpu.description or gpu.name
    twins = [other for other in gpus if (other.description or other.name) == name]
    if len(twins) > 1:
        return (f"{name} ({gpu.pci or 1 + twins.index(gpu)})", name)
    return (name, f"{name} ({gpu.pci})") if gpu.pci else (name,)


class Holdings(msgspec.Struct, frozen=True):
    """What models hold, each by ledger: ``settled`` those that are loaded, ``moving`` those that
    load or end. How much of the latter is on a device already, or still, nobody knows."""

    settled: Mapping[Path, Needs] = MappingProxyType({})
    moving: Mapping[Path, Needs] = MappingProxyType({})


def held_between(before: Holdings, after: Holdings) -> tuple[Needs, Needs]:
    """What models held all the time between two moments, and the most that others may have held at
    one in between."""
    stayed = {
        path
        for path, needs in before.settled.items()
        if after.settled.get(path) == needs and path not in after.moving
    }
    moved: dict[Path, Needs] = {}
    for holdings in (before, after):
        for path, needs in (*holdings.settled.items(), *holdings.moving.items()):
            if path not in stayed:
                moved[path] = _larger(moved.get(path, NOTHING), needs)
    settled = added(*(before.settled[path] for path in stayed))
    return settled, added(*moved.values())


def _larger(one: Needs, other: Needs) -> Needs:
    names = {*one, *other}
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in names}


class GpuBudgets:
    """Keeps the budgets of GPUs to what other programs leave.

    What these hold is learnt when ggml tells what is free, and counts until it is asked again: what
    our own models take and give back meanwhile is in the ledgers.
    """

    def __init__(self, ledgers: DeviceLedgers) -> None:
        """``ledgers`` get one for each GPU that is met."""
        self._ledgers = ledgers
        self._others: dict[str, int] = {}

    def learn(self, gpus: Sequence[DeviceInfo], before: Holdings, after: Holdings) -> None:
        """Learn what others hold of the ``gpus`` (`discrete_gpus`), which were asked between two
        moments at which our models held ``before`` and ``after``.

        Where models moved meanwhile, it is only known within bounds; what was known before counts,
        if it lies between them, and else the nearest bound. The process that is asked has a context
        on the GPU, which ends with it: where nobody tells how large that is, it counts as another
        program's.
        """
        settled, moving = held_between(before, after)
        for gpu in gpus:
            if gpu.name not in self._ledgers.contexts:
                self._ledgers.add(gpu.name, gpu.kind)
            used = max(0, gpu.total_memory - gpu.free_memory - gpu.process_bytes)
            most = max(0, used - settled.get(gpu.name, 0))
            least = max(0, most - moving.get(gpu.name, 0))
            known = self._others.get(gpu.name, most)
            self._others[gpu.name] = min(max(known, least), most)

    def apply(self, gpus: Sequence[DeviceInfo], wished: Needs = NOTHING) -> None:
        """Give each of the ``gpus`` a budget: what is ``wished`` for it, in bytes by `budget_keys`,
        or a share of its memory, but never more than others leave."""
        for gpu in gpus:
            keys = budget_keys(gpu, gpus)
            budget = next((wished[key] for key in keys if key in wished), None)
            if budget is None:
                budget = default_budget(gpu.kind, gpu.total_memory)
            if gpu.total_memory:
                budget = min(budget, max(0, gpu.total_memory - self._others.get(gpu.name, 0)))
            self._ledgers.contexts[gpu.name].set_budget(budget)

    def now(self, devices: Sequence[DeviceInfo]) -> tuple[DeviceInfo, ...]:
        """The devices with what is free by now, as far as our own models changed that."""
        return tuple(self._now(device) for device in devices)

    def _now(self, device: DeviceInfo) -> DeviceInfo:
        others = self._others.get(device.name)
        if others is None:
            return device
        ours = self._ledgers.contexts[device.name].allocated_memory()
        free = max(0, device.total_memory - others - ours)
        return msgspec.structs.replace(device, free_memory=free)


def use_gpus(ledgers: DeviceLedgers, gpus: Sequence[DeviceInfo], wished: Needs = NOTHING) -> None:
    """Give each of the ``gpus`` (`discrete_gpus`) a ledger and a budget, as `GpuBudgets` does,
    where no model is loaded."""
    budgets = GpuBudgets(ledgers)
    budgets.learn(gpus, Holdings(), Holdings())
    budgets.apply(gpus, wished)
