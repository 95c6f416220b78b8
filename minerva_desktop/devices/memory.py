"""Measured memory for the gauge and for pressure: the system's, and that of each GPU.

`MemoryProbe` is asked every few seconds by the runtime, on the worker thread. It never fails:
whatever is missing ends in the system's numbers and a reason.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from minerva_desktop.devices.device_list import DeviceInfo, DeviceList, can_offload, discrete_gpus
from minerva_desktop.devices.driver import NO_DRIVER
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.gpu_reading import GpuReading, joint_name, match_readings
from minerva_desktop.devices.ledgers import CPU, NOTHING, Needs
from minerva_desktop.devices.sysfs import NVIDIA_GPU, SysfsProbe
from minerva_desktop.devices.system_memory import MemoryPart, MemorySnapshot, system_memory

if TYPE_CHECKING:
    from minerva_desktop.devices.nvml import NvmlProbe

logger = logging.getLogger(__name__)

# What to do about a GPU that lies idle. The flags are llama.cpp's own (its docs/build.md).
CUDA_ADVICE = (
    "To use it, install NVIDIA’s CUDA toolkit and build llama-cpp-python with "
    "CMAKE_ARGS=-DGGML_CUDA=on."
)
VULKAN_ADVICE = (
    "To use it, install the Vulkan SDK and build llama-cpp-python with CMAKE_ARGS=-DGGML_VULKAN=on."
)
DRIVER_ADVICE = "Restart the computer; if that does not help, install the newest driver."
NVIDIA_ADVICE = "To use it, install NVIDIA’s driver."
UNASKED = DeviceList()
_NOT_THERE = "The loaded models are in system memory, not on the GPU ({names})."
_CANNOT_USE = "this build of llama.cpp cannot use {name}."
_UNTOLD = "The NVIDIA driver does not say how much memory each program uses."
_FROM_GGML = "What is used of it is not told by its driver, but by llama.cpp, now and then."


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
        self,
        engine_pids: Collection[int] = (),
        known: DeviceList = UNASKED,
        placed: Needs = NOTHING,
    ) -> MemorySnapshot:
        """The memory now. ``engine_pids``: the engine children; ended ones count nothing.
        ``known``: ggml's devices. ``placed``: bytes by device that llama.cpp placed for the models.

        What llama.cpp says it placed counts where a driver tells less: it may count processes by
        other ids.
        """
        readings = self._nvml.read(engine_pids) if self._nvml else []
        readings += self._sysfs.read(engine_pids)
        system = system_memory(engine_pids)
        gpus = discrete_gpus(known.devices or ())
        if gpus:
            matched = match_readings(readings, gpus)
            parts = tuple(_gpu_part(gpu, matched.get(gpu.name), placed) for gpu in gpus)
            is_idle = bool(engine_pids) and not any(placed.get(gpu.name) for gpu in gpus)
            names = ", ".join(part.label for part in parts)
            reason = _NOT_THERE.format(names=names) if is_idle else None
            snapshot = MemorySnapshot(system=system, gpus=parts, reason=reason)
        elif known.devices is not None and can_offload(known.devices):
            snapshot = _system_alone(system, _integrated(known.devices))
        else:
            snapshot = self._unmatched_snapshot(system, readings, known, placed)
        self._log(snapshot)
        return snapshot

    def _log(self, snapshot: MemorySnapshot) -> None:
        """A reason once, and loudly only where a person can do something about it: that a machine
        has no GPU is no news."""
        if snapshot.reason and snapshot.reason != self._logged_reason:
            level = logging.WARNING if snapshot.has_unused_gpu else logging.DEBUG
            logger.log(level, "%s", snapshot.reason)
            self._logged_reason = snapshot.reason

    def _unmatched_snapshot(
        self,
        system: MemoryPart,
        readings: Sequence[GpuReading],
        known: DeviceList,
        placed: Needs,
    ) -> MemorySnapshot:
        """Where ggml lists no GPU, or nobody knows what it would list."""
        # A reading of AMD's may be of a piece of the system's memory: only ggml could tell.
        nvidia = [one for one in readings if one.maker == "NVIDIA" and one.used is not None]
        ours = sum(n_bytes for name, n_bytes in placed.items() if name != CPU)
        is_asked = known.devices is not None or known.problem
        if nvidia and (ours or not is_asked):
            least = ours if len(nvidia) == 1 else 0  # on which of several it is, nobody knows
            parts = tuple(_measured(reading, "", GpuDevice.CUDA, least) for reading in nvidia)
            return MemorySnapshot(system=system, gpus=parts)
        idle = self._idle_gpu(nvidia) if is_asked and not ours else None
        if idle is None:
            return _system_alone(system, known.problem or self._driver_problem())
        name, why, advice = idle
        if known.problem:
            why = f"it is not known whether llama.cpp can use {name}. {known.problem}"
            advice = DRIVER_ADVICE
        reason = f"Models run on the CPU: {why} {advice}"
        return MemorySnapshot(system=system, reason=reason, has_unused_gpu=True)

    def _driver_problem(self) -> str | None:
        """Why NVIDIA's driver tells nothing. None where there is no card, which is no news."""
        is_broken = self._nvml is not None and self._nvml.is_broken
        if not is_broken and NVIDIA_GPU not in self._sysfs.names():
            return None
        return self._nvml.problem if self._nvml is not None else NO_DRIVER

    def _idle_gpu(self, nvidia: Sequence[GpuReading]) -> tuple[str, str, str] | None:
        """The name of a GPU that seems to be there, though ggml lists none; why that is, and what
        to do about it."""
        if nvidia:
            name = joint_name(nvidia)
            return name, _CANNOT_USE.format(name=name), CUDA_ADVICE
        if self._nvml is not None and self._nvml.is_broken:
            problem = str(self._nvml.problem)
            return "the NVIDIA GPU", problem[:1].lower() + problem[1:], DRIVER_ADVICE
        names = self._sysfs.names()
        if not names:
            return None
        if names[0] == NVIDIA_GPU:
            return names[0], "this machine has an NVIDIA GPU, but no driver for it.", NVIDIA_ADVICE
        return names[0], _CANNOT_USE.format(name=names[0]), VULKAN_ADVICE

    def close(self) -> None:
        """Let go of the driver. May be called twice; `snapshot` then reports system memory."""
        if self._nvml:
            self._nvml.close()


def _gpu_part(gpu: DeviceInfo, reading: GpuReading | None, placed: Needs) -> MemoryPart:
    """A GPU with what its driver tells, or else with what ggml told."""
    ours = placed.get(gpu.name, 0)
    if reading is not None and reading.used is not None:
        # A driver that does not know the card's name leaves it at its maker's.
        is_named = reading.name != f"{reading.maker} GPU"
        label = reading.name if is_named else gpu.description
        return _measured(reading, gpu.name, gpu.kind, ours, label)
    used = max(0, gpu.total_memory - gpu.free_memory)
    models = min(ours, used)
    return MemoryPart(
        device=gpu.name,
        label=gpu.description or gpu.name,
        kind=gpu.kind,
        total=gpu.total_memory,
        used_by_models=models,
        used_by_others=used - models,
        free=gpu.total_memory - used,
        utilisation=None if reading is None else reading.utilisation,
        celsius=None if reading is None else reading.celsius,
        note=_FROM_GGML,
        is_fresh=False,
    )


def _measured(
    reading: GpuReading, device: str, kind: GpuDevice, ours: int, label: str = ""
) -> MemoryPart:
    """What a driver told, which knows what is used; llama.cpp placed ``ours`` bytes of it."""
    used = reading.used or 0
    models = min(max(reading.used_by_engines or 0, ours), used)
    return MemoryPart(
        device=device,
        label=label or reading.name,
        kind=kind,
        total=reading.total,
        used_by_models=models,
        used_by_others=used - models,
        free=reading.total - used,
        utilisation=reading.utilisation,
        celsius=reading.celsius,
        note="" if reading.used_by_engines is not None else _UNTOLD,
    )


def _integrated(devices: Sequence[DeviceInfo]) -> str:
    gpu = next(device for device in devices if device.kind is not GpuDevice.CPU)
    return f"{gpu.description or gpu.name} uses the system’s memory."


def _system_alone(system: MemoryPart, reason: str | None) -> MemorySnapshot:
    """On Apple's machines there is no other memory, and nothing to say about it."""
    is_metal = system.kind is GpuDevice.METAL
    return MemorySnapshot(system=system, reason=None if is_metal else reason)
