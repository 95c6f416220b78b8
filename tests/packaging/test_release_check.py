"""In which system each package is tried, with stand-ins for what needs root and a minute."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

import release
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
    monkeypatch.setattr(release_check, "_have_own_mounts", lambda _: None)
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


# Ends without a chance to clean up while a folder of this machine is mounted in the clean Debian.
KILLED = """
import os, signal, sys
from pathlib import Path
scripts, root, shared, log = sys.argv[1:]
sys.path.insert(0, scripts)
import release_check
release_check.MOUNTS = (shared.lstrip("/"),)
release_check._have_own_mounts(Path(log))
with release_check._mounted(Path(root)):
    print(os.listdir(root + shared), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Debian is a Linux")
def test_a_killed_run_leaves_nothing_of_this_machine_in_the_clean_debian(tmp_path: Path) -> None:
    namespace = ["unshare", "--map-root-user", "--mount"]
    try:
        probe = [*namespace, "mount", "--make-rprivate", "/"]
        subprocess.run(probe, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    shared, root = tmp_path / "shared", tmp_path / "root"
    shared.mkdir()
    (shared / "file").touch()
    inside = Path(f"{root}{shared}")
    inside.mkdir(parents=True)
    program = [sys.executable, "-c", KILLED, str(Path(release_check.__file__).parent)]
    done = subprocess.run(
        [
            *namespace, "sh", "-c", 'there=$1; shift; "$@"; ls "$there"', "sh", inside,
            *program, root, shared, tmp_path / "log",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "['file']\n", done.stderr


def test_what_cannot_be_done_is_said_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "_build", lambda *_, **__: pytest.fail("it was built"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert release.main(["--clean-root"]) == 1
    assert "needs root and mmdebstrap" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        release.main(["--clean-root", "--bundle-only"])
    assert "--clean-root installs the packages" in capsys.readouterr().err
