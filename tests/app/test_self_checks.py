"""The checks of the self-test that need no model, each against what it is there for."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from minerva_desktop.app import self_checks
from minerva_desktop.app.self_report import CheckState
from minerva_desktop.devices.processor_name import processor_name
from minerva_desktop.devices.system_memory import system_memory
from minerva_desktop.paths import AppPaths, app_paths, resources_dir
from minerva_desktop.units import format_bytes

FAILED, WARNING, OK = CheckState.FAILED, CheckState.WARNING, CheckState.OK


@pytest.fixture
def paths() -> AppPaths:
    paths = app_paths()
    paths.create()
    return paths


def test_resources_are_whole() -> None:
    outcome = self_checks.check_resources(resources_dir())
    assert outcome.state is OK, outcome
    assert outcome.words.startswith(f"{len(list((resources_dir() / 'icons').glob('*.svg')))} icons")


def test_resources_that_are_not(tmp_path: Path) -> None:
    assert self_checks.check_resources(tmp_path).state is FAILED
    shutil.copytree(resources_dir() / "icons", tmp_path / "icons")
    without_licences = self_checks.check_resources(tmp_path)
    assert without_licences.state is FAILED
    assert "cannot be read" in without_licences.words
    (tmp_path / "icons" / "add.svg").write_text("<svg")
    assert self_checks.check_resources(tmp_path).words.startswith("add.svg is damaged:")


def test_a_folder_that_takes_no_file(paths: AppPaths) -> None:
    assert self_checks.check_folders(paths).state is OK
    assert list(paths.data.iterdir()) == []  # and no trace
    paths.logs.rmdir()
    paths.logs.touch()
    outcome = self_checks.check_folders(paths)
    assert outcome.state is FAILED
    assert outcome.words == "the log folder cannot be written: a file of that name is in its place"


def test_the_disk(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = Mock()
    monkeypatch.setattr(shutil, "disk_usage", usage)
    for free, state in ((10**12, OK), (10**9, WARNING), (10**8, FAILED)):
        usage.return_value.free = free
        assert self_checks.check_disk(paths.data).state is state
    # Where the folder could not be made, which is another check's matter.
    assert self_checks.check_disk(paths.data / "a" / "b").words.startswith("100.0 MB free")
    usage.assert_called_with(paths.data)


def test_settings_that_are_no_json(paths: AppPaths) -> None:
    assert self_checks.check_settings(paths).words == "none yet"
    paths.settings.write_text("{}")
    assert self_checks.check_settings(paths).words == "settings.json can be read"
    paths.presets.write_text("[" * 100_000)
    outcome = self_checks.check_settings(paths)
    assert outcome.state is WARNING
    assert outcome.words.startswith("presets.json is damaged")
    assert paths.presets.read_text() == "[" * 100_000  # as it was


def test_the_machine_is_told_as_the_window_has_it() -> None:
    facts = self_checks.machine_facts()
    name = processor_name()
    assert facts["Processor"] == name
    assert name == platform.machine() or name.endswith(f" ({platform.machine()})")
    assert facts["Memory"].startswith(f"{format_bytes(system_memory().total)}, ")


def test_what_llama_cpp_uses_can_be_read() -> None:
    told = "CUDA : ARCHS = 890 | USE_GRAPHS = 1 | CPU : SSE3 = 1 | AVX2 = 1 | REPACK = 1 | "
    read = "CUDA: ARCHS = 890, USE_GRAPHS, CPU: SSE3, AVX2, REPACK"
    assert self_checks.feature_list(told) == read
    assert self_checks.feature_list("") == ""
