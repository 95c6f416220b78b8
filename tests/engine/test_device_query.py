"""Asking a real child for ggml's devices, and children that do not answer."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from minerva_desktop.devices.device_list import DeviceInfo, DeviceList, Holdings, can_offload
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import cpu_ledgers
from minerva_desktop.engine import device_query
from minerva_desktop.engine.device_query import KnownDevices, ask_devices, list_devices
from minerva_desktop.engine.spare import SpareChild


async def test_the_devices_of_this_build_and_the_child_waits_for_a_model() -> None:
    spare = SpareChild()
    devices = await list_devices(spare)
    cpu = next(device for device in devices if device.name == "CPU")
    assert cpu.total_memory == pytest.approx(psutil.virtual_memory().total, rel=0.01)
    if not can_offload(devices):
        pid = spare.pid
        assert pid is not None
        assert psutil.pid_exists(pid)
        assert await list_devices(spare) != ()
        assert spare.pid == pid
    await spare.close()


async def test_a_child_that_dies_of_a_driver_is_no_answer_and_a_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)  # the log file has it
    dying = "import sys; print('the driver is broken', file=sys.stderr); sys.exit(3)"
    spare = SpareChild((sys.executable, "-c", dying))
    assert await ask_devices(spare) == DeviceList(
        None, "The process that asked the GPU driver died (exit code 3)."
    )
    assert await list_devices(spare) == ()
    assert spare.pid is None
    assert "exit code 3" in caplog.text
    assert "the driver is broken" in caplog.text


async def test_a_driver_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device_query, "ASK_SECONDS", 0.05)
    spare = SpareChild((sys.executable, "-c", "import time; time.sleep(60)"))
    answer = await ask_devices(spare)
    assert answer.devices is None
    assert answer.problem == "The process that asked the GPU driver did not answer for 0 s."
    assert answer.problem in caplog.text


async def test_a_child_that_cannot_be_started(caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask_devices(SpareChild(("/no/such/program",)))
    assert answer.devices is None
    assert "The engine process could not be started" in answer.problem
    assert answer.problem in caplog.text


# -- asking again ----------------------------------------------------------------------------------

GB = 10**9


def gpu(free: int) -> DeviceInfo:
    return DeviceInfo(
        name="CUDA0",
        description="Test",
        kind=GpuDevice.CUDA,
        total_memory=24 * GB,
        free_memory=free,
    )


class Script:
    """Devices that answer what they are told to, and what models hold meanwhile."""

    def __init__(self) -> None:
        self.answer = DeviceList((gpu(14 * GB),))
        self.n_asked = 0
        self.holdings = Holdings()
        self.ledgers = cpu_ledgers(GB, is_strict=True)
        self.devices = KnownDevices(self.ask, self.ledgers, lambda: self.holdings)

    async def ask(self) -> DeviceList:
        self.n_asked += 1
        await asyncio.sleep(0)
        return self.answer

    @property
    def available(self) -> int:
        return self.ledgers.contexts["CUDA0"].available_memory()


async def test_a_gpu_is_asked_again_when_a_model_has_changed() -> None:
    script = Script()
    assert script.devices.now() == DeviceList()
    for _ in range(2):
        await script.devices.ask()
    assert (script.n_asked, script.available) == (1, 14 * GB)
    # A model of 8 GB has been loaded, and another program takes 1 GB.
    script.ledgers.allocate({"CUDA0": 8 * GB})
    script.holdings = Holdings({Path("/m"): {"CUDA0": 8 * GB}})
    script.answer = DeviceList((gpu(5 * GB),))
    script.devices.models_changed()
    await script.devices.ask()
    assert (script.n_asked, script.available) == (2, 5 * GB)
    assert script.devices.now() == DeviceList((gpu(5 * GB),))


async def test_a_question_that_failed_is_asked_again_but_not_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script()
    good, script.answer = script.answer, DeviceList(None, "It hangs.")
    for _ in range(2):
        assert await script.devices.ask() == DeviceList(None, "It hangs.")
    assert script.n_asked == 1  # it may take 20 s each time
    monkeypatch.setattr(device_query, "PATIENCE_SECONDS", 0.0)
    script = Script()
    script.answer = DeviceList(None, "It hangs.")
    await script.devices.ask()
    script.answer = good
    assert await script.devices.ask() == good
    assert script.available == 14 * GB


async def test_devices_stay_known_though_a_later_question_fails() -> None:
    script = Script()
    known = await script.devices.ask()
    script.answer = DeviceList(None, "It hangs.")
    script.devices.models_changed()
    assert await script.devices.ask() == known
    assert script.n_asked == 2


async def test_where_there_is_no_gpu_one_answer_holds() -> None:
    script = Script()
    script.answer = DeviceList(())
    for _ in range(3):
        await script.devices.ask()
        script.devices.models_changed()
    assert script.n_asked == 1
    assert set(script.ledgers.contexts) == {"CPU"}


async def test_a_model_that_changes_while_the_question_is_out_makes_it_be_asked_again() -> None:
    script = Script()
    await script.devices.ask()
    script.devices.models_changed()
    asking = asyncio.create_task(script.devices.ask())
    await asyncio.sleep(0)
    script.devices.models_changed()
    await asking
    await script.devices.ask()
    assert script.n_asked == 3


async def test_what_a_context_takes_stays_known_though_a_later_process_cannot_tell() -> None:
    script = Script()
    first = msgspec.structs.replace(gpu(13 * GB), process_bytes=GB // 2)
    script.answer = DeviceList((first,))
    await script.devices.ask()
    assert script.available == 13 * GB + GB // 2
    script.answer = DeviceList((gpu(12 * GB),))  # of a process that had one when it was asked
    script.devices.models_changed()
    known = await script.devices.ask()
    assert known.devices == (msgspec.structs.replace(gpu(12 * GB), process_bytes=GB // 2),)
    assert script.available == 12 * GB + GB // 2
