"""Asking a real child for ggml's devices, and children that do not answer."""

from __future__ import annotations

import sys

import psutil
import pytest

from minerva_desktop.devices.device_list import can_offload
from minerva_desktop.engine import device_query
from minerva_desktop.engine.device_query import list_devices
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


async def test_a_child_that_dies_of_a_driver_is_no_device_and_a_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dying = "import sys; print('the driver is broken', file=sys.stderr); sys.exit(3)"
    spare = SpareChild((sys.executable, "-c", dying))
    assert await list_devices(spare) == ()
    assert spare.pid is None
    assert "exit code 3" in caplog.text
    assert "the driver is broken" in caplog.text


async def test_a_driver_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device_query, "ASK_SECONDS", 0.05)
    spare = SpareChild((sys.executable, "-c", "import time; time.sleep(60)"))
    assert await list_devices(spare) == ()
    assert "No GPU is used" in caplog.text


async def test_a_child_that_cannot_be_started(caplog: pytest.LogCaptureFixture) -> None:
    assert await list_devices(SpareChild(("/no/such/program",))) == ()
    assert "cannot be listed" in caplog.text
