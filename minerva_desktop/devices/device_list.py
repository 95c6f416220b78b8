"""The compute devices of ggml, and the memory ledgers that they need.

The values come from an engine child, which alone loads ggml. Any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from minerva_desktop.devices.gpu_context import GpuDevice, default_budget
from minerva_desktop.devices.ledgers import DeviceLedgers


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A compute device as ggml lists it. ``kind`` is a `GpuDevice` value; memory in bytes.
    ``is_integrated``: a GPU whose memory is the system's."""

    name: str
    description: str
    kind: GpuDevice
    total_memory: int
    free_memory: int
    is_integrated: bool = False


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


def use_gpus(
    ledgers: DeviceLedgers, gpus: Sequence[DeviceInfo], budget_bytes: int | None = None
) -> None:
    """Give each of the ``gpus`` (`discrete_gpus`) a ledger and a budget: ``budget_bytes``, or a
    share of its memory, but never more than other programs leave."""
    for gpu in gpus:
        context = ledgers.contexts.get(gpu.name)
        if context is None:
            context = ledgers.add(gpu.name, gpu.kind)
        budget = budget_bytes
        if budget is None:
            budget = default_budget(gpu.kind, gpu.total_memory)
        if gpu.total_memory:
            budget = min(budget, gpu.free_memory + context.allocated_memory())
        context.set_budget(budget)
