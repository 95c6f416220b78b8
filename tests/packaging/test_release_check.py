"""In which system each package is tried, with stand-ins for what needs root and a minute."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

import release_check
from release_environment import ReleaseProject


def test_the_installer_for_one_user_has_nothing_that_the_deb_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def run_step(doing: str, command: Sequence[str | Path], *_: object) -> None:
        done.append(doing)
        if command[0] == "mmdebstrap":
            Path(command[-1]).mkdir()
            included = [str(each) for each in command if str(each).startswith("--include=")]
            wanted = (
                [] if "clean-root" in doing else [f"--include={','.join(release_check.DESKTOP)}"]
            )
            assert included == wanted

    def user_install(root: Path, installer: Path, _: Path) -> None:
        done.append(f"{installer.name} in {root.name}")

    project = ReleaseProject(tmp_path)
    project.build.mkdir(parents=True)
    packages = [tmp_path / "minerva.run", tmp_path / "minerva.deb"]
    for package in packages:
        package.touch()
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/mmdebstrap")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(release_check, "run_step", run_step)
    monkeypatch.setattr(release_check, "_mounted", lambda _: nullcontext())
    monkeypatch.setattr(release_check, "check_app", lambda command: done.append(command[-1]))
    monkeypatch.setattr(release_check, "_check_user_install", user_install)
    release_check.check_packages(project, packages)
    assert done == [
        "Making a clean Debian (clean-root)",
        "Installing the .deb",
        "/usr/bin/minerva-desktop",
        "Removing the .deb",
        "Making a clean Debian (clean-desktop)",
        "minerva.run in clean-desktop",
    ]


def test_the_installer_for_one_user_has_its_window_opened_before_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "root" / release_check.HOME
    program = home / ".local" / "lib" / "minerva-desktop"
    done: list[object] = []

    def run_step(doing: str, command: Sequence[str | Path], *_: object) -> None:
        done.append(doing)
        if doing == "Installing for one user":
            assert f"--userspec={release_check.USER}" in command
            program.parent.mkdir(parents=True)
            program.touch()
        if doing == "Removing it again":
            program.unlink()

    (tmp_path / "minerva.run").touch()
    monkeypatch.setattr(release_check, "run_step", run_step)
    monkeypatch.setattr(release_check, "check_app", done.append)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: None)
    arguments = (tmp_path / "root", tmp_path / "minerva.run", tmp_path / "log")
    release_check._check_user_install(*arguments)
    window = ["chroot", str(tmp_path / "root"), "/home/person/.local/bin/minerva-desktop"]
    assert done == [
        "Installing for one user",
        "Asking the installed app",
        "Having it draw its window, among other things",
        window,
        "Removing it again",
    ]
