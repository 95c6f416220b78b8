"""What a driver says of a GPU's memory, whoever makes it, and which of ggml's devices that is. Any
thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import msgspec

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice

Maker = Literal["NVIDIA", "AMD", "Intel"]
# More is another program's: a context takes 552 MB of an H200 (**measured**, CUDA 13).
MOST_CONTEXT_BYTES = 1024**3
_KINDS: Mapping[GpuDevice, Maker] = MappingProxyType(
    {GpuDevice.CUDA: "NVIDIA", GpuDevice.ROCM: "AMD", GpuDevice.SYCL: "Intel"}
)
_MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "nvidia": "NVIDIA",
        "geforce": "NVIDIA",
        "amd": "AMD",
        "radeon": "AMD",
        "intel": "Intel",
    }
)


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of one GPU. Memory in bytes.

    ``used`` is None where the driver does not tell it, ``used_by_engines`` where it does not tell
    what the asked-for processes use. ``utilisation`` from 0.0 to 1.0 and ``celsius``, the
    temperature, are None when they are not told. ``pci``: as in `DeviceInfo`.
    """

    name: str
    total: int
    used: int | None
    used_by_engines: int | None
    utilisation: float | None = None
    celsius: float | None = None
    pci: str = ""
    maker: Maker | None = None


def with_process_bytes(
    devices: Sequence[DeviceInfo], before: Sequence[GpuReading]
) -> tuple[DeviceInfo, ...]:
    """The ``devices`` as they told of themselves to a process that had used none, with what their
    drivers had read ``before``: CUDA counts what is free once that process has its context."""
    cuda = [device for device in devices if device.kind is GpuDevice.CUDA]
    readings = match_readings(before, cuda)
    return tuple(_with_process_bytes(device, readings.get(device.name)) for device in devices)


def _with_process_bytes(device: DeviceInfo, before: GpuReading | None) -> DeviceInfo:
    if before is None or before.used is None:
        return device
    context = before.total - before.used - device.free_memory
    # Another program may have taken or given back memory in between.
    if not 0 < context <= MOST_CONTEXT_BYTES:
        return device
    return msgspec.structs.replace(device, process_bytes=context)


def joint_name(readings: Sequence[GpuReading]) -> str:
    """One name for several GPUs (at least one): ``2 × RTX 4090``, ``Arc A770 + RTX 4090``."""
    names = sorted({reading.name for reading in readings})
    if len(names) == 1 and len(readings) > 1:
        return f"{len(readings)} × {names[0]}"
    return " + ".join(names)


def match_readings(
    readings: Sequence[GpuReading], gpus: Sequence[DeviceInfo]
) -> dict[str, GpuReading]:
    """Which reading is of which of the ``gpus``, by its name in ggml; without those of which no
    driver tells anything.

    The address on the bus decides where both tell it; else the name, and then the order among GPUs
    of one maker, which drivers and ggml mostly share.
    """
    left = list(readings)
    found: dict[str, GpuReading] = {}
    for fits in (_same_address, _same_name, _same_maker):
        for gpu in gpus:
            if gpu.name not in found:
                reading = next((one for one in left if _may_be(one, gpu) and fits(one, gpu)), None)
                if reading is not None:
                    left.remove(reading)
                    found[gpu.name] = reading
    return found


def _may_be(reading: GpuReading, gpu: DeviceInfo) -> bool:
    return not reading.pci or not gpu.pci or reading.pci == gpu.pci


def _same_address(reading: GpuReading, gpu: DeviceInfo) -> bool:
    return bool(gpu.pci) and reading.pci == gpu.pci


def _same_name(reading: GpuReading, gpu: DeviceInfo) -> bool:
    one, other = reading.name.casefold(), gpu.description.casefold()
    return bool(one and other) and (one in other or other in one)


def _same_maker(reading: GpuReading, gpu: DeviceInfo) -> bool:
    return reading.maker is not None and reading.maker == _maker(gpu)


def _maker(gpu: DeviceInfo) -> Maker | None:
    words = gpu.description.casefold()
    named = next((maker for word, maker in _MAKERS.items() if word in words), None)
    return _KINDS.get(gpu.kind, named)
