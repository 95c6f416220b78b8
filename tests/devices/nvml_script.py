# ruff: noqa: N815  The names are those of the library that it stands in for.
"""A scripted NVIDIA driver, since few machines that run the tests have a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field

import pynvml

GB = 10**9


@dataclass
class Memory:
    total: int
    used: int


@dataclass
class Process:
    pid: int
    usedGpuMemory: int | None


@dataclass
class Pci:
    domain: int
    bus: int
    device: int


@dataclass
class Utilisation:
    gpu: int


@dataclass
class Gpu:
    """What the driver says of one GPU; None: it refuses to say."""

    name: str = "NVIDIA Test"
    total: int = 24 * GB
    used: int = 0
    compute: dict[int, int | None] | None = field(default_factory=dict)
    graphics: dict[int, int | None] | None = field(default_factory=dict)
    busy_percent: int | None = 0
    celsius: int | None = 40
    bus: int | None = 1


class ScriptedNvml:
    """Stands in for `pynvml`, with its error classes. ``failure``: the code of its next errors."""

    def __init__(self, *gpus: Gpu, failure: int | None = None) -> None:
        self.gpus = gpus
        self.failure = failure
        self.calls: list[str] = []

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise pynvml.NVMLError(self.failure)

    def nvmlInit(self) -> None:
        self._answer("init")

    def nvmlShutdown(self) -> None:
        self._answer("shutdown")

    def nvmlDeviceGetCount(self) -> int:
        self._answer("count")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:
        return self.gpus[index]

    def nvmlDeviceGetName(self, handle: object) -> str:
        return self._gpu(handle).name

    def nvmlDeviceGetPciInfo(self, handle: object) -> Pci:
        bus = self._gpu(handle).bus
        if bus is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return Pci(0, bus, 0)

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> Memory:
        self._answer("memory")
        gpu = self._gpu(handle)
        return Memory(gpu.total, gpu.used)

    def nvmlDeviceGetUtilizationRates(self, handle: object) -> Utilisation:
        percent = self._gpu(handle).busy_percent
        if percent is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return Utilisation(percent)

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int:
        celsius = self._gpu(handle).celsius
        if celsius is None or sensor != pynvml.NVML_TEMPERATURE_GPU:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return celsius

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[Process]:
        return self._processes(self._gpu(handle).compute)

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: object) -> list[Process]:
        return self._processes(self._gpu(handle).graphics)

    def _gpu(self, handle: object) -> Gpu:
        assert isinstance(handle, Gpu)
        return handle

    def _processes(self, used: dict[int, int | None] | None) -> list[Process]:
        if used is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        return [Process(pid, n_bytes) for pid, n_bytes in used.items()]
