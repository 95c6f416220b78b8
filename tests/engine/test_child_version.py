"""The app's package is updated while the app runs: engines started then are of another version."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from minerva_desktop import __version__
from minerva_desktop.devices.device_list import DeviceList
from minerva_desktop.engine.child_version import own_build
from minerva_desktop.engine.device_query import ask_devices
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import ModelGone, PoolEvent
from minerva_desktop.engine.process import ChildProcess, child_command
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.errors import AppReplaced
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.load_choice import model_needs
from minerva_desktop.runtime import Runtime

UPDATED = "Minerva was updated while it ran. Close it and start it again"
WORDS = f"This engine is of Minerva {__version__}, what started it is not"


def of_another_version(command: Sequence[str]) -> tuple[str, ...]:
    *start, version, last = command
    assert version == __version__
    return (*start, f"{version}.1", last)


async def test_an_engine_of_another_version_says_what_to_do(small_path: Path) -> None:
    """It was killed for the first message that could not be read, with all its answers."""
    engine = LlamaEngine(small_path, command=of_another_version(child_command()))
    with pytest.raises(AppReplaced) as died:
        await engine.load()
    assert died.value.message == f"{small_path.name} cannot be loaded: {UPDATED}"
    assert died.value.detail == WORDS


def test_another_build_of_the_same_version_is_told_apart(tmp_path: Path) -> None:
    executable = tmp_path / "minerva-desktop"
    builds = []
    for content, seconds in ((b"first", 1_790_000_000), (b"second", 1_790_000_000), (b"first", 1)):
        executable.write_bytes(content)
        os.utime(executable, (seconds, seconds))
        builds.append(own_build(executable))
    assert len(set(builds)) == 3
    assert all(build.startswith(f"{__version__}+") for build in builds)
    assert own_build(executable) == builds[-1]
    assert own_build(None) == __version__ == own_build(tmp_path / "none")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what runs cannot be replaced so")
def test_a_running_app_knows_its_build_when_another_has_taken_its_place(tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copy(shutil.which("cat") or "", app)
    build = own_build(app)
    running = subprocess.Popen([app], stdin=subprocess.PIPE)
    app.unlink()
    app.write_bytes(b"another")
    assert own_build(Path(f"/proc/{running.pid}/exe")) == build != own_build(app)
    running.communicate()


@pytest.mark.parametrize("is_known", [False, True])
async def test_no_loaded_model_goes_for_a_load_that_cannot_succeed(
    catalog: Catalog,
    small_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_known: bool,
) -> None:
    """``is_known``: what it would take, which no child then has to be asked for."""
    options = LoadOptions(n_ctx=256)
    other = tmp_path / "other.gguf"
    shutil.copy(small_path, other)
    catalog.add(other)
    events: list[PoolEvent] = []
    room = sum(model_needs(small_path, options).values()) + 10**6  # for one of the two
    runtime = Runtime(catalog, options, memory_bytes=room, on_event=events.append)
    runtime.keeps_spare = False  # it would be of this version, and would do
    start = ChildProcess.start
    if is_known:
        await runtime.fit_of(other)
    async with runtime.pool.lease(small_path):
        pass
    monkeypatch.setattr(ChildProcess, "start", lambda command: start(of_another_version(command)))
    with pytest.raises(AppReplaced) as failed:
        async with runtime.pool.lease(other):
            pass
    assert failed.value.message == f"other.gguf cannot be loaded: {UPDATED}"
    assert list(runtime.pool.loaded()) == [small_path]
    runtime.set_load_options(LoadOptions(n_ctx=512))
    async with runtime.pool.lease(small_path) as engine:  # which stays as it is
        assert engine.get_context_info().n_ctx == 256
    assert [event.path for event in events if isinstance(event, ModelGone)] == [other]
    await runtime.close()


async def test_the_driver_is_not_blamed_for_an_update(caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask_devices(SpareChild(of_another_version(child_command())))
    assert answer == DeviceList(None, f"{UPDATED}.")
    assert answer.problem in caplog.text


async def test_requests_that_come_at_once_have_one_process_asked(
    catalog: Catalog, small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(catalog, LoadOptions(n_ctx=256))
    runtime.keeps_spare = False
    async with runtime.pool.lease(small_path):
        pass
    start, started = ChildProcess.start, []

    async def counted(command: Sequence[str]) -> ChildProcess:
        started.append(command)
        return await start(command)

    async def context() -> int:
        async with runtime.pool.lease(small_path) as engine:
            return engine.get_context_info().n_ctx

    monkeypatch.setattr(ChildProcess, "start", counted)
    runtime.set_load_options(LoadOptions(n_ctx=512))
    assert await asyncio.gather(*(context() for _ in range(5))) == [512] * 5
    assert len(started) == 1
    await runtime.close()
