"""The memory of containers and services, from files laid out as the kernel lays them out."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from minerva_desktop.devices import system_memory as module
from minerva_desktop.devices.memory_group import GroupMemory, group_memory
from minerva_desktop.devices.system_memory import system_memory

MB = 10**6
STAT = "anon {anon}\n{prefix}inactive_file {inactive}\n{prefix}active_file {active}\n"


def limit_group(folder: Path, limit: object, used: int, *, version: int = 2) -> None:
    """A group with 50 MB of pages of files among those in use."""
    names = ("memory.max", "memory.current")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n", encoding="ascii")
    prefix = "total_" if version == 1 else ""
    text = STAT.format(anon=used - 50 * MB, prefix=prefix, inactive=20 * MB, active=30 * MB)
    (folder / "memory.stat").write_text(text, encoding="ascii")


def found(tmp_path: Path, *lines: str) -> GroupMemory | None:
    (tmp_path / "of_process").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return group_memory(tmp_path / "of_process", tmp_path / "groups")


def test_a_service_has_what_its_group_leaves(tmp_path: Path) -> None:
    limit_group(tmp_path / "groups/system.slice/minerva.service", 800 * MB, 300 * MB)
    memory = found(tmp_path, "0::/system.slice/minerva.service")
    assert memory == GroupMemory(800 * MB, 550 * MB)


def test_the_tightest_of_the_groups_around_it_counts(tmp_path: Path) -> None:
    limit_group(tmp_path / "groups/outer", 500 * MB, 450 * MB)
    limit_group(tmp_path / "groups/outer/inner", 800 * MB, 100 * MB)
    assert found(tmp_path, "0::/outer/inner") == GroupMemory(500 * MB, 100 * MB)


def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path) -> None:
    limit_group(tmp_path / "groups/memory", 800 * MB, 300 * MB, version=1)
    memory = found(tmp_path, "5:cpu,cpuacct:/", "4:memory:/docker/0123", "0::/")
    assert memory == GroupMemory(800 * MB, 550 * MB)


@pytest.mark.parametrize("limit", ["max", "", "a lot"])
def test_what_says_no_number_limits_nothing(tmp_path: Path, limit: str) -> None:
    limit_group(tmp_path / "groups/app", limit, 300 * MB)
    assert found(tmp_path, "0::/app") is None
    assert found(tmp_path, "0::/is/not/there", "nonsense", "") is None
    assert group_memory(tmp_path / "none", tmp_path) is None


def test_a_group_of_the_first_version_that_may_use_everything_limits_nothing(
    tmp_path: Path,
) -> None:
    limit_group(tmp_path / "groups/memory", 2**63 - 4096, 300 * MB, version=1)
    assert found(tmp_path, "4:memory:/") is None


def test_a_group_that_uses_more_than_it_may_has_nothing_left(tmp_path: Path) -> None:
    limit_group(tmp_path / "groups/app", 100 * MB, 300 * MB)
    assert found(tmp_path, "0::/app") == GroupMemory(100 * MB, 0)


def test_models_are_loaded_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = psutil.virtual_memory()
    monkeypatch.setattr(module, "group_memory", lambda: GroupMemory(800 * MB, 550 * MB))
    memory = system_memory()
    assert (memory.total, memory.free, memory.used_by_others) == (800 * MB, 550 * MB, 250 * MB)
    # More than there is changes nothing.
    more = machine.total + 100 * MB
    monkeypatch.setattr(module, "group_memory", lambda: GroupMemory(more, more))
    assert system_memory().total == machine.total
