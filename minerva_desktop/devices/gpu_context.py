"""The memory ledger of one compute device: what loaded models may take and what they took.

The pool asks it before it loads a model. It counts promises, not measurements: what a device
really has in use is in `memory`.
"""

from __future__ import annotations

import logging
import threading
from enum import StrEnum

from minerva_desktop.errors import OutOfMemory
from minerva_desktop.units import format_bytes

logger = logging.getLogger(__name__)

# Where nothing can be detected.
UNKNOWN_BUDGET = 1 << 30


class GpuDevice(StrEnum):
    """What llama.cpp computes on."""

    METAL = "metal"
    CUDA = "cuda"
    VULKAN = "vulkan"
    ROCM = "rocm"
    SYCL = "sycl"
    CPU = "cpu"


def default_budget(device: GpuDevice, total: int) -> int:
    """How much of ``total`` bytes (0: unknown) models may take until the person says otherwise.

    ``total`` is the memory that ``device`` uses: the system's for CPU and Metal, its own for the
    others.
    """
    if total <= 0:
        return UNKNOWN_BUDGET
    match device:
        case GpuDevice.CPU:
            return total // 4
        case GpuDevice.METAL:
            return total // 2
        case _:
            return total * 8 // 10


class GpuContext:
    """A ledger in bytes over ``budget`` bytes of ``device``. Any thread.

    ``is_strict``: to give back more than was taken raises `ValueError`, as tests want it. In life
    it is logged, and the ledger stays at 0: a miscount must not cost a chat.
    """

    def __init__(
        self, device: GpuDevice, budget: int, *, name: str = "", is_strict: bool = False
    ) -> None:
        """``name`` of a GPU, as llama.cpp calls it, where there may be others."""
        if budget < 0:
            raise ValueError(f"a budget of {budget} bytes")
        self.is_strict = is_strict
        self._device = device
        self._name = name
        self._budget = budget
        self._allocated = 0
        self._lock = threading.Lock()

    def device(self) -> GpuDevice:
        """What the ledger is about."""
        return self._device

    def set_device(self, device: GpuDevice) -> None:
        """What it is about, now that it is known: the system's memory may turn out to be Metal's,
        too."""
        self._device = device

    def allocate(self, n_bytes: int, *, forced: bool = False) -> None:
        """Take ``n_bytes`` (>= 0) of the budget; `OutOfMemory`, taking none, if they don't fit.
        ``forced`` takes them all the same: the person said so, or they are in use already."""
        if n_bytes < 0:
            raise ValueError(f"allocation of {n_bytes} bytes")
        with self._lock:
            if not forced and self._allocated + n_bytes > self._budget:
                raise self._out_of_memory(n_bytes)
            self._allocated += n_bytes

    def deallocate(self, n_bytes: int) -> None:
        """Give ``n_bytes`` (>= 0) back, no more than was taken: see ``is_strict``."""
        if n_bytes < 0:
            raise ValueError(f"deallocation of {n_bytes} bytes")
        with self._lock:
            excess = n_bytes - self._allocated
            self._allocated = max(0, -excess)
        if excess > 0:
            what = f"{excess} bytes more were given back than had been taken"
            if self.is_strict:
                raise ValueError(what)
            logger.error(what)

    def available_memory(self) -> int:
        """Bytes of the budget that are not taken; none where more than it was taken by force."""
        with self._lock:
            return max(0, self._budget - self._allocated)

    def allocated_memory(self) -> int:
        """Bytes that are taken."""
        with self._lock:
            return self._allocated

    def max_memory(self) -> int:
        """The budget in bytes."""
        with self._lock:
            return self._budget

    def set_budget(self, budget: int) -> None:
        """Another budget (bytes, >= 0) from now on; what is taken stays taken."""
        if budget < 0:
            raise ValueError(f"a budget of {budget} bytes")
        with self._lock:
            self._budget = budget

    def _out_of_memory(self, n_bytes: int) -> OutOfMemory:
        memory = "Memory" if self._device is GpuDevice.CPU else "GPU memory"
        allocated, budget = self._allocated, self._budget
        return OutOfMemory(
            f"{memory} exceeded: {format_bytes(allocated)} + {format_bytes(n_bytes)} "
            f"> {format_bytes(budget)}",
            detail=f"In bytes: {allocated:,} + {n_bytes:,} > {budget:,}.",
            needs=f"the model needs {format_bytes(n_bytes)} of {self._place()}, {self._free()}",
            is_shared=allocated > 0,
        )

    def _place(self) -> str:
        if self._device in (GpuDevice.CPU, GpuDevice.METAL):
            return "this computer's memory"
        return f"the memory of {self._name or 'the GPU'}"

    def _free(self) -> str:
        """What of that is free for models, in words without a zero."""
        budget = format_bytes(self._budget) if self._budget else "none"
        if not (self._allocated and self._budget):
            return f"of which models may take {budget}"
        free = self._budget - self._allocated
        left = format_bytes(free) if free > 0 else "nothing"
        return f"and other models leave {left} of the {budget} that models may take"
