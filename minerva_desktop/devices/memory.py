"""Measured memory for the gauge and the budgets: the GPU's if models are there, else the system's.

`MemoryProbe` is asked every few seconds by the runtime, on the worker thread. It never fails:
whatever is missing ends in the system's numbers and a reason.
"""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import psutil

from minerva_desktop.devices.device_list import DeviceInfo, can_offload, discrete_gpus
from minerva_desktop.devices.driver import DRIVER_SIGNS, NO_DRIVER, has_driver
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.gpu_reading import GpuReading, sum_readings
from minerva_desktop.devices.sysfs import SysfsProbe

if TYPE_CHECKING:
    from minerva_desktop.devices.nvml import NvmlProbe

logger = logging.getLogger(__name__)

# What to install for a GPU that lies idle. The flags are llama.cpp's own (its docs/build.md).
CUDA_ADVICE = (
    "To use it, install NVIDIA’s CUDA toolkit and build llama-cpp-python with "
    "CMAKE_ARGS=-DGGML_CUDA=on."
)
VULKAN_ADVICE = (
    "To use it, install the Vulkan SDK and build llama-cpp-python with CMAKE_ARGS=-DGGML_VULKAN=on."
)


class MemorySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of the memory that models are in. Bytes; the three parts make up ``total``.

    ``kind`` and ``device_name`` say whose memory it is. ``utilisation`` of the GPU from 0.0 to
    1.0 and ``celsius``, its temperature, are None where they aren't known. ``reason`` is a
    sentence on why these are not (or not wholly) a GPU's numbers, None when they are;
    ``has_unused_gpu``: because this build of llama.cpp cannot use the GPU that there is.
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


class MemoryProbe:
    """Reads memory numbers until `close`; also a context manager. One thread at a time.

    ``nvml`` asks the NVIDIA driver (None: there is none) and is closed with it; ``sysfs`` the
    kernel, for AMD's and Intel's. A call of `snapshot` costs well under a millisecond without a
    GPU.
    """

    def __init__(self, nvml: NvmlProbe | None, sysfs: SysfsProbe | None = None) -> None:
        self._nvml = nvml
        self._sysfs = sysfs or SysfsProbe()
        self._logged_reason: str | None = None

    def __enter__(self) -> MemoryProbe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def snapshot(
        self, engine_pids: Collection[int] = (), devices: Sequence[DeviceInfo] | None = None
    ) -> MemorySnapshot:
        """The memory now. ``engine_pids``: the engine children; ended ones count nothing.
        ``devices``: those of ggml, None while they are not known.

        With a GPU these are its numbers, unless this build of llama.cpp cannot use it, or children
        run and none of them is on it: then the models are in system memory, and its numbers are
        the true ones.
        """
        readings = self._nvml.read(engine_pids) if self._nvml else []
        kind = GpuDevice.CUDA
        if not readings:
            readings, kind = self._sysfs.read(engine_pids), GpuDevice.VULKAN
        kind = next((gpu.kind for gpu in discrete_gpus(devices or ())), kind)
        if not readings:
            problem = self._nvml.problem if self._nvml else NO_DRIVER
            snapshot = system_snapshot(engine_pids, problem)
        else:
            snapshot = _snapshot_of(sum_readings(readings), kind, engine_pids, devices)
        if snapshot.reason and snapshot.reason != self._logged_reason:
            logger.info("Memory numbers of %s: %s", snapshot.device_name, snapshot.reason)
            self._logged_reason = snapshot.reason
        return snapshot

    def close(self) -> None:
        """Let go of the driver. May be called twice; `snapshot` then reports system memory."""
        if self._nvml:
            self._nvml.close()


def find_nvml(signs: Iterable[str | Path] = DRIVER_SIGNS) -> NvmlProbe | None:
    """The NVIDIA driver's probe; None when none of the files ``signs`` is there, at no cost.

    The answer holds for as long as the app runs: a driver that is installed meanwhile is seen at
    the next start. Engines that are running would not use it either.
    """
    if not has_driver(signs):
        return None
    # `pynvml` takes 0.1 s to import and 5 MB to keep: only who has the driver pays for it.
    from minerva_desktop.devices.nvml import NvmlProbe

    return NvmlProbe()


def system_snapshot(engine_pids: Collection[int] = (), reason: str | None = None) -> MemorySnapshot:
    """The machine's own memory: all there is on CPU, and the GPU's too on Apple silicon."""
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


def _snapshot_of(
    reading: GpuReading,
    kind: GpuDevice,
    engine_pids: Collection[int],
    devices: Sequence[DeviceInfo] | None,
) -> MemorySnapshot:
    """The GPU's numbers, or the system's where the models are there, with why."""
    if devices is not None and not can_offload(devices):
        advice = CUDA_ADVICE if kind is GpuDevice.CUDA else VULKAN_ADVICE
        reason = f"Models run on the CPU: this build of llama.cpp cannot use {reading.name}."
        return msgspec.structs.replace(
            system_snapshot(engine_pids, f"{reason} {advice}"), has_unused_gpu=True
        )
    if engine_pids and not reading.engine_pids:
        reason = f"The loaded models are in system memory, not on the GPU ({reading.name})."
        return system_snapshot(engine_pids, reason)
    models = min(reading.used_by_engines or 0, reading.used)
    untold = "The NVIDIA driver does not say how much memory each program uses."
    return MemorySnapshot(
        kind=kind,
        device_name=reading.name,
        total=reading.total,
        used_by_models=models,
        used_by_others=reading.used - models,
        free=reading.total - reading.used,
        utilisation=reading.utilisation,
        celsius=reading.celsius,
        reason=untold if reading.used_by_engines is None else None,
    )
