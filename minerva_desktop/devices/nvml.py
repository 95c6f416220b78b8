# ruff: noqa: N802, N815  The Protocols spell names as NVIDIA's library does.
"""Asks NVIDIA's driver (NVML, through `pynvml`) how much GPU memory is in use, and by whom.

Used by `memory` alone, on its thread. Nothing here fails: no driver, a broken one or one that
doesn't tell end in a reason, in words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec
import pynvml

from minerva_desktop.devices.driver import NO_DRIVER


class NvmlMemory(Protocol):
    """Bytes of one GPU."""

    total: int
    used: int
    free: int


class NvmlProcess(Protocol):
    """A process on a GPU; its memory in bytes, None where the driver doesn't tell (Windows)."""

    pid: int
    usedGpuMemory: int | None


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
    def nvmlDeviceGetMemoryInfo(self, handle: object) -> NvmlMemory: ...
    def nvmlDeviceGetUtilizationRates(self, handle: object) -> NvmlUtilisation: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> Sequence[NvmlProcess]: ...
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: object) -> Sequence[NvmlProcess]: ...


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of one GPU, or the sum of several. Memory in bytes.

    ``engine_pids``: those of the asked-for processes that are on the GPU. ``used_by_engines`` is
    None when the driver doesn't say how much they use. ``utilisation`` from 0.0 to 1.0, None when
    it isn't told.
    """

    name: str
    total: int
    used: int
    free: int
    engine_pids: frozenset[int]
    used_by_engines: int | None
    utilisation: float | None


class NvmlProbe:
    """Holds the driver's library open from the first `read` to `close`. One thread at a time.

    Opening it takes up to a second on some machines.

    Attributes:
        problem: why there are no readings, as a sentence; None when all is well.
    """

    def __init__(self, library: NvmlLibrary = pynvml) -> None:
        self.problem: str | None = None
        self._library = library
        self._is_open = False
        self._handles: list[object] | None = None

    def read(self, engine_pids: Collection[int]) -> GpuReading | None:
        """All GPUs summed up, because llama.cpp spreads a model over all of them by default.

        None with `problem` set when a GPU didn't answer; the next call tries again.
        """
        if self._handles is None:
            self._handles = self._open()
        if not self._handles:
            return None
        try:
            readings = [self._read_one(handle, engine_pids) for handle in self._handles]
        except pynvml.NVMLError as error:
            self.problem = _in_words(error)
            return None
        self.problem = None
        return _sum(readings)

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
            self.problem = _in_words(error)
            return []
        if not handles:
            self.problem = "This machine has no NVIDIA GPU."
        return handles

    def _read_one(self, handle: object, engine_pids: Collection[int]) -> GpuReading:
        library = self._library
        memory = library.nvmlDeviceGetMemoryInfo(handle)
        used_by_pid = self._memory_of_processes(handle)
        ours = frozenset(engine_pids) & used_by_pid.keys()
        amounts = [used_by_pid[pid] for pid in ours]
        known = [amount for amount in amounts if amount is not None]
        try:
            utilisation = library.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        except pynvml.NVMLError:
            utilisation = None
        return GpuReading(
            name=library.nvmlDeviceGetName(handle),
            total=memory.total,
            used=memory.used,
            free=memory.free,
            engine_pids=ours,
            used_by_engines=sum(known) if len(known) == len(amounts) else None,
            utilisation=utilisation,
        )

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


def _sum(readings: list[GpuReading]) -> GpuReading:
    if len(readings) == 1:
        return readings[0]
    names = {reading.name for reading in readings}
    amounts = [reading.used_by_engines for reading in readings]
    busy = [reading.utilisation for reading in readings if reading.utilisation is not None]
    return GpuReading(
        name=f"{len(readings)} × {names.pop()}" if len(names) == 1 else f"{len(readings)} GPUs",
        total=sum(reading.total for reading in readings),
        used=sum(reading.used for reading in readings),
        free=sum(reading.free for reading in readings),
        engine_pids=frozenset().union(*(reading.engine_pids for reading in readings)),
        used_by_engines=None if None in amounts else sum(amount or 0 for amount in amounts),
        utilisation=sum(busy) / len(busy) if busy else None,
    )


def _in_words(error: pynvml.NVMLError) -> str:
    match error.value:
        case pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return NO_DRIVER
        case pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return "The NVIDIA driver is installed, but it is not running."
        case _:
            return f"The NVIDIA driver does not answer: {str(error).rstrip('.')}."
