# ruff: noqa: N802, N815  The Protocols spell names as NVIDIA's library does.
"""Asks NVIDIA's driver (NVML, through `pynvml`) how much GPU memory is in use, and by whom.

`memory` asks on its thread, and an engine child before it uses a GPU. Nothing here fails: no
driver, a broken one or one that doesn't tell end in a reason, in words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import pynvml

from minerva_desktop.devices.driver import NO_DRIVER
from minerva_desktop.devices.gpu_reading import GpuReading


class NvmlMemory(Protocol):
    """Bytes of one GPU."""

    total: int
    used: int


class NvmlProcess(Protocol):
    """A process on a GPU; its memory in bytes, None where the driver doesn't tell (Windows)."""

    pid: int
    usedGpuMemory: int | None


class NvmlPci(Protocol):
    """Where a GPU is on the bus."""

    domain: int
    bus: int
    device: int


class NvmlUtilisation(Protocol):
    """``gpu``: percent of the last moment in which the GPU was busy."""

    gpu: int


class NvmlLibrary(Protocol):
    """The part of `pynvml` that is used. Every function may raise `pynvml.NVMLError`."""

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...
    def nvmlDeviceGetName(self, handle: object) -> str: ...
    def nvmlDeviceGetPciInfo(self, handle: object) -> NvmlPci: ...
    def nvmlDeviceGetMemoryInfo(self, handle: object) -> NvmlMemory: ...
    def nvmlDeviceGetUtilizationRates(self, handle: object) -> NvmlUtilisation: ...
    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> Sequence[NvmlProcess]: ...
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: object) -> Sequence[NvmlProcess]: ...


class NvmlProbe:
    """Holds the driver's library open from the first `read` to `close`. One thread at a time.

    Opening it takes up to a second on some machines.

    Attributes:
        problem: why there are no readings, as a sentence; None when all is well.
        is_broken: whether that is because a driver is installed and does not work.
    """

    def __init__(self, library: NvmlLibrary = pynvml) -> None:
        self.problem: str | None = None
        self.is_broken = False
        self._library = library
        self._is_open = False
        self._handles: list[object] | None = None

    def read(self, engine_pids: Collection[int]) -> list[GpuReading]:
        """One reading for each GPU, in NVML's order.

        Empty with `problem` set when one didn't answer; the next call tries again.
        """
        if self._handles is None:
            self._handles = self._open()
        if not self._handles:
            return []
        try:
            readings = [self._read_one(handle, engine_pids) for handle in self._handles]
        except pynvml.NVMLError as error:
            self._fail(error)
            return []
        self.problem, self.is_broken = None, False
        return readings

    def close(self) -> None:
        """Let go of the driver. May be called twice."""
        self._handles = []
        self.problem = self.problem or "The NVIDIA driver is no longer asked."
        if self._is_open:
            self._is_open = False
            try:
                self._library.nvmlShutdown()
            except pynvml.NVMLError as error:
                self.problem = _in_words(error)

    def _open(self) -> list[object]:
        library = self._library
        try:
            library.nvmlInit()
            self._is_open = True
            count = library.nvmlDeviceGetCount()
            handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        except pynvml.NVMLError as error:
            self._fail(error)
            return []
        if not handles:
            self.problem = "This machine has no NVIDIA GPU."
        return handles

    def _fail(self, error: pynvml.NVMLError) -> None:
        self.problem = _in_words(error)
        self.is_broken = error.value != pynvml.NVML_ERROR_LIBRARY_NOT_FOUND

    def _read_one(self, handle: object, engine_pids: Collection[int]) -> GpuReading:
        library = self._library
        memory = library.nvmlDeviceGetMemoryInfo(handle)
        used_by_pid = self._memory_of_processes(handle)
        # None at all where NVML counts processes of another PID namespace (containers, WSL).
        amounts = [used_by_pid[pid] for pid in set(engine_pids) & used_by_pid.keys()]
        known = [amount for amount in amounts if amount is not None]
        try:
            utilisation = library.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        except pynvml.NVMLError:
            utilisation = None
        try:
            celsius = float(library.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
        except pynvml.NVMLError:
            celsius = None
        return GpuReading(
            name=library.nvmlDeviceGetName(handle),
            total=memory.total,
            used=memory.used,
            used_by_engines=sum(known) if len(known) == len(amounts) else None,
            utilisation=utilisation,
            celsius=celsius,
            pci=self._address(handle),
            maker="NVIDIA",
        )

    def _address(self, handle: object) -> str:
        try:
            pci = self._library.nvmlDeviceGetPciInfo(handle)
        except pynvml.NVMLError:
            return ""
        return f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"

    def _memory_of_processes(self, handle: object) -> dict[int, int | None]:
        """Bytes by process. CUDA's are in one list, Vulkan's in the other, some in both."""
        processes: dict[int, int | None] = {}
        for listed in (
            self._library.nvmlDeviceGetComputeRunningProcesses,
            self._library.nvmlDeviceGetGraphicsRunningProcesses,
        ):
            try:
                processes.update({item.pid: item.usedGpuMemory for item in listed(handle)})
            except pynvml.NVMLError:
                continue  # Some GPUs keep only one of the two lists.
        return processes


def _in_words(error: pynvml.NVMLError) -> str:
    match error.value:
        case pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return NO_DRIVER
        case pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return "The NVIDIA driver is installed, but it is not running."
        case _:
            return f"The NVIDIA driver does not answer: {str(error).rstrip('.')}."
