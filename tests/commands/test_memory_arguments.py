"""What a refusal says can be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from minerva_desktop.commands.memory_arguments import refusal
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU, DeviceLedgers, Needs, cpu_ledgers
from minerva_desktop.devices.system_memory import MemoryPart
from minerva_desktop.errors import OutOfMemory

GB = 10**9
MODEL = Path("/m/large.gguf")


def _refused(ledgers: DeviceLedgers, needs: Needs, *, others: int = 0) -> list[str]:
    """The lines of the refusal on a machine with 16 GB, of which ``others`` hold some."""
    system = MemoryPart(
        device=CPU,
        label="System memory",
        kind=GpuDevice.CPU,
        total=16 * GB,
        used_by_models=0,
        used_by_others=others,
        free=16 * GB - others,
    )
    with pytest.raises(OutOfMemory) as caught:
        ledgers.allocate(needs)
    missing = ledgers.missing(needs)
    error = refusal(MODEL, caught.value, ledgers, missing, system, ("it takes much",))
    return [error.message, *error.detail.splitlines()]


def test_it_says_how_much_would_do() -> None:
    ledgers = cpu_ledgers(4 * GB)
    ledgers.allocate({CPU: 3 * GB})
    first, *rest = _refused(ledgers, {CPU: 2_001_000_000})
    assert first == (
        "large.gguf: Memory exceeded: the model needs 2.0 GB of this computer's memory, and other"
        " models leave 1.0 GB of the 4.0 GB that models may take"
    )
    assert rest == [
        "It takes much.",
        "With --memory-gb 5.01 models may take as much as it needs.",
        "--force loads it all the same.",
    ]


def test_it_promises_nothing_that_other_programs_hold() -> None:
    *_, others, forced = _refused(cpu_ledgers(4 * GB), {CPU: 5 * GB}, others=12 * GB)
    assert others == "Other programs leave no more than 3.2 GB for models."
    assert forced == "--force loads it all the same."


def test_what_a_gpu_lacks_more_system_memory_does_not_give() -> None:
    ledgers = cpu_ledgers(4 * GB)
    ledgers.add("CUDA0", GpuDevice.CUDA, 2 * GB)
    told = _refused(ledgers, {CPU: GB, "CUDA0": 3 * GB})
    assert told[0] == (
        "large.gguf: GPU memory exceeded: the model needs 3.0 GB of the memory of CUDA0, of which"
        " models may take 2.0 GB"
    )
    assert told[2:] == [
        "Fewer layers on the GPU (--n-gpu-layers) take less of its memory.",
        "--force loads it all the same.",
    ]
