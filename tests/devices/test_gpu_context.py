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
    ("device", "memory", "place"),
    [
        (GpuDevice.METAL, "GPU memory", "this computer's memory"),
        (GpuDevice.CUDA, "GPU memory", "the memory of the GPU"),
        (GpuDevice.VULKAN, "GPU memory", "the memory of the GPU"),
        (GpuDevice.CPU, "Memory", "this computer's memory"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(
    device: GpuDevice, memory: str, place: str
) -> None:
    ledger = GpuContext(device, 4 * GB)
    ledger.allocate(3 * GB)
    with pytest.raises(OutOfMemory) as caught:
        ledger.allocate(1_200_000_000)
    assert caught.value.message == f"{memory} exceeded: 3.0 GB + 1.2 GB > 4.0 GB"
    assert caught.value.detail == "In bytes: 3,000,000,000 + 1,200,000,000 > 4,000,000,000."
    assert caught.value.told == (
        f"{memory} exceeded: the model needs 1.2 GB of {place}, and other models leave 1.0 GB of"
        " the 4.0 GB that models may take"
    )
    assert caught.value.http_status == 500
    assert ledger.allocated_memory() == 3 * GB


@pytest.mark.parametrize(
    ("budget", "taken", "left"),
    [
        (6 * GB, 0, "of which models may take 6.0 GB"),
        (0, 0, "of which models may take none"),
        (0, GB, "of which models may take none"),
        (6 * GB, 6 * GB, "and other models leave nothing of the 6.0 GB that models may take"),
        (6 * GB, 7 * GB, "and other models leave nothing of the 6.0 GB that models may take"),
    ],
)
def test_what_does_not_fit_is_told_without_a_zero(budget: int, taken: int, left: str) -> None:
    """“0 bytes + 15.7 GB > 6.3 GB” said nothing to anybody."""
    ledgers = cpu_ledgers(GB)
    ledgers.add("CUDA1", GpuDevice.CUDA, budget)
    ledgers.allocate({"CUDA1": taken}, forced=True)
    with pytest.raises(OutOfMemory) as caught:
        ledgers.allocate({"CUDA1": 15_700_000_000})
    assert caught.value.told == (
        f"GPU memory exceeded: the model needs 15.7 GB of the memory of CUDA1, {left}"
    )
    assert caught.value.is_shared == (taken > 0)


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
