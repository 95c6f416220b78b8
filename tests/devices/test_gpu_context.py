"""The ledger: what fits, what the refusal says, and that no byte is lost between threads."""

from __future__ import annotations

import logging
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.devices.gpu_context import GpuContext, GpuDevice, default_budget
from minerva_desktop.devices.ledgers import DeviceLedgers, cpu_ledgers
from minerva_desktop.errors import OutOfMemory

GB = 10**9


def test_allocate_and_deallocate() -> None:
    ledger = GpuContext(GpuDevice.CUDA, 8 * GB)
    assert ledger.device() is GpuDevice.CUDA
    ledger.allocate(3 * GB)
    ledger.allocate(5 * GB)
    assert (ledger.allocated_memory(), ledger.available_memory()) == (8 * GB, 0)
    ledger.deallocate(3 * GB)
    assert (ledger.allocated_memory(), ledger.available_memory()) == (5 * GB, 3 * GB)
    assert ledger.max_memory() == 8 * GB


@pytest.mark.parametrize(
    ("device", "memory"),
    [
        (GpuDevice.METAL, "GPU memory"),
        (GpuDevice.CUDA, "GPU memory"),
        (GpuDevice.VULKAN, "GPU memory"),
        (GpuDevice.CPU, "Memory"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(device: GpuDevice, memory: str) -> None:
    ledger = GpuContext(device, 4 * GB)
    ledger.allocate(3 * GB)
    with pytest.raises(OutOfMemory) as caught:
        ledger.allocate(1_200_000_000)
    assert caught.value.message == f"{memory} exceeded: 3.0 GB + 1.2 GB > 4.0 GB"
    assert caught.value.detail == (
        "It needs 1.2 GB; of the 4.0 GB for models 1.0 GB are free. "
        "In bytes: 3,000,000,000 + 1,200,000,000 > 4,000,000,000."
    )
    assert caught.value.http_status == 500
    assert ledger.allocated_memory() == 3 * GB


def test_giving_back_too_much_is_logged_and_harmless(caplog: pytest.LogCaptureFixture) -> None:
    ledger = GpuContext(GpuDevice.CPU, 100)
    ledger.allocate(40)
    with caplog.at_level(logging.ERROR):
        ledger.deallocate(41)
    assert "1 bytes more were given back than had been taken" in caplog.text
    assert (ledger.allocated_memory(), ledger.available_memory()) == (0, 100)


def test_giving_back_too_much_is_an_error_where_tests_want_it() -> None:
    ledgers = cpu_ledgers(100, is_strict=True)
    ledgers.add("CUDA0", GpuDevice.CUDA, 50)
    taken = ledgers.allocate({"CPU": 40, "CUDA0": 30})
    ledgers.deallocate(taken)
    for ledger in ledgers.contexts.values():
        with pytest.raises(ValueError, match="1 bytes more were given back"):
            ledger.deallocate(1)


def test_what_was_taken_goes_back_to_the_ledger_that_counted_it() -> None:
    """A device may get a ledger of its own while models hold memory of it."""
    ledgers = cpu_ledgers(100, is_strict=True)
    taken = ledgers.allocate({"CPU": 20, "CUDA0": 30})
    assert taken == {"CPU": 50}
    gpu = ledgers.add("CUDA0", GpuDevice.CUDA, 50)
    ledgers.deallocate(taken)
    assert ledgers.contexts["CPU"].allocated_memory() == gpu.allocated_memory() == 0


def test_negative_amounts_are_bugs() -> None:
    ledger = GpuContext(GpuDevice.CPU, 100)
    for action in (ledger.allocate, ledger.deallocate):
        with pytest.raises(ValueError, match="-1 bytes"):
            action(-1)
    with pytest.raises(ValueError, match="a budget of -1 bytes"):
        GpuContext(GpuDevice.CPU, -1)


@pytest.mark.parametrize(
    ("device", "total", "budget"),
    [
        (GpuDevice.METAL, 32 * GB, 16 * GB),
        (GpuDevice.CUDA, 24 * GB, 19_200_000_000),
        (GpuDevice.ROCM, 10 * GB, 8 * GB),
        (GpuDevice.CPU, 16 * GB, 4 * GB),
        (GpuDevice.CPU, 0, 2**30),
        (GpuDevice.CUDA, 0, 2**30),
    ],
)
def test_default_budgets(device: GpuDevice, total: int, budget: int) -> None:
    assert default_budget(device, total) == budget


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 120)), max_size=40))
def test_the_ledger_is_the_sum_of_what_is_out(steps: list[tuple[bool, int]]) -> None:
    ledger = GpuContext(GpuDevice.VULKAN, 300)
    out: list[int] = []
    for takes, n_bytes in steps:
        if takes and sum(out) + n_bytes <= 300:
            ledger.allocate(n_bytes)
            out.append(n_bytes)
        elif takes:
            with pytest.raises(OutOfMemory):
                ledger.allocate(n_bytes)
        elif out:
            ledger.deallocate(out.pop(n_bytes % len(out)))
        assert ledger.allocated_memory() == sum(out)
        assert ledger.available_memory() == 300 - sum(out)


def test_threads_share_one_ledger() -> None:
    ledger = GpuContext(GpuDevice.CUDA, 1000)

    def hammer(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(2000):
            n_bytes = chance.randint(1, 300)
            try:
                ledger.allocate(n_bytes)
            except OutOfMemory:
                continue
            assert 0 < ledger.allocated_memory() <= 1000
            ledger.deallocate(n_bytes)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(hammer, range(8)))
    assert ledger.allocated_memory() == 0
    assert ledger.available_memory() == 1000


def test_what_one_of_several_devices_cannot_give_is_taken_of_none() -> None:
    gpu, cpu = GpuContext(GpuDevice.CUDA, 100), GpuContext(GpuDevice.CPU, 50)
    ledgers = DeviceLedgers({"CUDA0": gpu, "CPU": cpu})
    with pytest.raises(OutOfMemory, match=r"^Memory exceeded: 0 bytes \+ 60 bytes > 50 bytes"):
        ledgers.allocate({"CUDA0": 80, "CPU": 60})
    assert (gpu.allocated_memory(), cpu.allocated_memory()) == (0, 0)
    assert ledgers.missing({"CUDA0": 120, "CPU": 60}) == {"CUDA0": 20, "CPU": 10}
    ledgers.allocate({"CUDA0": 80, "CPU": 60}, forced=True)
    assert (gpu.allocated_memory(), cpu.allocated_memory(), cpu.available_memory()) == (80, 60, 0)
