"""The memory ledgers of all devices together: a model may need some of several.

Owned by `runtime`, used by the pool on its loop. It counts promises, as each `GpuContext` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from minerva_desktop.devices.gpu_context import GpuContext, GpuDevice
from minerva_desktop.errors import OutOfMemory

# Bytes by the device's name, as llama.cpp calls it: "CPU", "CUDA0".
Needs = Mapping[str, int]
CPU = "CPU"
NOTHING: Needs = MappingProxyType({})


class DeviceLedgers:
    """One `GpuContext` for each device. What is needed of a device that is not there is counted on
    the CPU's, which is always there."""

    def __init__(self, contexts: Mapping[str, GpuContext]) -> None:
        """``contexts`` by the name of the device, that of the CPU among them."""
        if CPU not in contexts:
            raise ValueError("there is no ledger of the CPU's memory")
        self._contexts = dict(contexts)

    def add(self, name: str, device: GpuDevice, budget: int = 0) -> GpuContext:
        """Count what is needed of the device ``name`` in a ledger of its own from now on, as strict
        as the CPU's. It must not have one yet."""
        if name in self._contexts:
            raise ValueError(f"there is a ledger of {name} already")
        is_strict = self._contexts[CPU].is_strict
        context = GpuContext(device, budget, name=name, is_strict=is_strict)
        self._contexts[name] = context
        return context

    @property
    def contexts(self) -> Mapping[str, GpuContext]:
        """The ledgers by the name of the device."""
        return MappingProxyType(self._contexts)

    def missing(self, needs: Needs, freed: Needs = NOTHING) -> dict[str, int]:
        """Bytes that the budgets lack for ``needs``, by device, once ``freed`` was given back;
        empty when all fits."""
        lacking = {}
        given_back = self._sorted(freed)
        for name, n_bytes in self._sorted(needs).items():
            context = self._contexts[name]
            taken = context.allocated_memory() - given_back.get(name, 0)
            excess = taken + n_bytes - context.max_memory()
            if n_bytes and excess > 0:
                lacking[name] = excess
        return lacking

    def excess(self) -> dict[str, int]:
        """Bytes that were taken beyond the budgets, by device; empty when none were."""
        beyond = {
            name: context.allocated_memory() - context.max_memory()
            for name, context in self._contexts.items()
        }
        return {name: n_bytes for name, n_bytes in beyond.items() if n_bytes > 0}

    def allocate(self, needs: Needs, *, forced: bool = False) -> Needs:
        """Take what is needed of every device, or nothing at all. ``forced`` takes it beyond the
        budgets too. Returns what was taken by the ledger that counts it, for `deallocate`: a
        device may get a ledger of its own meanwhile. Raises `OutOfMemory`."""
        taken: dict[str, int] = {}
        try:
            for name, n_bytes in self._sorted(needs).items():
                self._contexts[name].allocate(n_bytes, forced=forced)
                taken[name] = n_bytes
        except OutOfMemory:
            self.deallocate(taken)
            raise
        return taken

    def deallocate(self, taken: Needs) -> None:
        """Give back what `allocate` returned."""
        for name, n_bytes in taken.items():
            self._contexts[name].deallocate(n_bytes)

    def room(self, kept: Needs = NOTHING) -> dict[str, int]:
        """Bytes of each device that models may take beside those that hold ``kept``."""
        held = self._sorted(kept)
        return {
            name: max(0, context.max_memory() - held.get(name, 0))
            for name, context in self._contexts.items()
        }

    def relief(self, held: Needs, lacking: Needs) -> int:
        """Bytes by which ``held``, given back, would help against ``lacking``."""
        ours = self._sorted(held)
        return sum(min(ours.get(name, 0), n_bytes) for name, n_bytes in lacking.items())

    def _sorted(self, needs: Needs) -> dict[str, int]:
        found: dict[str, int] = {}
        for name, n_bytes in needs.items():
            known = name if name in self._contexts else CPU
            found[known] = found.get(known, 0) + n_bytes
        return found


def added(*amounts: Needs) -> dict[str, int]:
    """The sums by device."""
    total: dict[str, int] = {}
    for needs in amounts:
        for name, n_bytes in needs.items():
            total[name] = total.get(name, 0) + n_bytes
    return total


def scaled(needs: Needs, total: int) -> Needs:
    """The same proportions that make up ``total`` bytes; ``needs`` where there are none."""
    estimated = sum(needs.values())
    return {n: b * total // estimated for n, b in needs.items()} if estimated else needs


def cpu_ledgers(budget: int, *, is_strict: bool = False) -> DeviceLedgers:
    """The ledgers of a machine on which models run on the CPU; ``budget`` in bytes, ``is_strict``
    as in `GpuContext`."""
    return DeviceLedgers({CPU: GpuContext(GpuDevice.CPU, budget, is_strict=is_strict)})
