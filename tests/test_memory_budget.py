"""How much of the system's memory models may take: never more than other programs leave."""

from __future__ import annotations

import msgspec

from minerva_desktop.devices.gpu_context import UNKNOWN_BUDGET, GpuDevice
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.devices.system_memory import MemoryPart, system_memory
from minerva_desktop.runtime import memory_budget

GB = 10**9
IDLE = MemoryPart(
    device=CPU,
    kind=GpuDevice.CPU,
    label="System memory",
    total=16 * GB,
    used_by_models=2 * GB,
    used_by_others=3 * GB,
    free=11 * GB,
)
SPARED = 16 * GB // 20


def _beside(others: int) -> MemoryPart:
    free = 14 * GB - others
    return msgspec.structs.replace(IDLE, used_by_others=others, free=free)


def test_on_an_idle_machine_it_is_what_was_wished() -> None:
    assert memory_budget(8 * GB, IDLE) == 8 * GB
    assert memory_budget(None, IDLE) == 4 * GB  # a quarter
    assert memory_budget(None, IDLE, GpuDevice.METAL) == 8 * GB


def test_beside_large_programs_it_is_what_they_leave() -> None:
    assert memory_budget(8 * GB, _beside(10 * GB)) == 6 * GB - SPARED
    assert memory_budget(None, _beside(13 * GB)) == 3 * GB - SPARED
    assert memory_budget(None, _beside(14 * GB)) == 2 * GB - SPARED
    assert memory_budget(1 * GB, _beside(14 * GB)) == 1 * GB
    crowded = msgspec.structs.replace(IDLE, used_by_others=16 * GB, used_by_models=0, free=0)
    assert memory_budget(8 * GB, crowded) == 0


def test_where_nothing_is_known_it_is_what_was_wished() -> None:
    unknown = msgspec.structs.replace(IDLE, total=0, used_by_others=0, used_by_models=0, free=0)
    assert memory_budget(8 * GB, unknown) == 8 * GB
    assert memory_budget(None, unknown) == UNKNOWN_BUDGET


def test_on_this_machine_all_of_it_is_not_to_be_had() -> None:
    memory = system_memory()
    assert 0 <= memory_budget(memory.total, memory) < memory.total
