"""The file that people run on Linux: it unpacks itself and installs the app for one user."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import release_linux
from tests.packaging.linux_installer import HERE, Installer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it installs on Linux")


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(tmp_path / "unpacked", tmp_path / "home")


@pytest.fixture
def run_file(tmp_path: Path, installer: Installer) -> Path:
    return installer.run_file(tmp_path / "minerva.run")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that come before the system's."""
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


def make_tool(folder: Path, name: str, script: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def path_with(tools: Path) -> str:
    return f"{tools}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--help"], ""),
        (["-h"], ""),
        (["--nonsense"], "there is no option --nonsense"),
        ([""], "an empty option"),
        (["--extract"], "--extract takes one folder"),
        (["--uninstall", "now"], "--uninstall stands alone"),
    ],
)
def test_its_options(
    arguments: list[str], wrong: str, run_file: Path, installer: Installer
) -> None:
    done = installer.start(run_file, *arguments)
    assert done.returncode == (2 if wrong else 0)
    usage = done.stderr if wrong else done.stdout
    assert (done.stdout if wrong else done.stderr) == ""
    if wrong:
        assert usage.startswith(f"minerva.run: {wrong}\n")
    for line in (
        "Minerva Desktop 1.2.3: installs it for you alone",
        "sh minerva.run --uninstall        remove the app",
        "sh minerva.run --extract FOLDER   only unpack",
    ):
        assert line in usage
    assert installer.left() == set()


def test_it_installs_and_removes(run_file: Path, tools: Path, installer: Installer) -> None:
    done = installer.start(run_file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Minerva Desktop is installed" in done.stdout
    command = installer.home / ".local" / "bin" / "minerva"
    assert subprocess.check_output([command], text=True) == "it runs\n"
    make_tool(tools, "tar", "exit 1")  # nothing is unpacked for that
    done = installer.start(run_file, "--uninstall", PATH=path_with(tools))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Minerva Desktop is removed.")
    assert installer.left() == set()
    done = installer.start(run_file, "--uninstall")
    assert done.returncode == 0
    assert done.stdout.startswith("Minerva Desktop is not installed for you: there is no ")


def test_it_only_unpacks(tmp_path: Path, run_file: Path, installer: Installer) -> None:
    folder = tmp_path / "my folder"
    assert installer.start(run_file, "--extract", str(folder)).returncode == 0
    unpacked = folder / "unpacked" / "app" / "minerva-desktop"
    assert unpacked.read_bytes() == installer.program.read_bytes()
    done = installer.start(run_file, "--extract", str(unpacked))
    assert done.returncode == 1
    assert done.stderr == (
        f"Minerva Desktop is not unpacked: the folder {unpacked} cannot be made. Name another"
        " folder.\n"
    )


def test_a_damaged_download_is_not_unpacked(
    run_file: Path, tools: Path, installer: Installer
) -> None:
    whole = run_file.read_bytes()
    make_tool(tools, "tar", "echo unpacked anyway; exit 1")
    damaged = bytearray(whole)
    damaged[-100] ^= 1
    for content, words in (
        (whole[:-1000], f"It has {len(whole) - 1000} bytes in place of {len(whole)}"),
        (bytes(damaged), "Its sum is not right"),
    ):
        run_file.write_bytes(content)
        for arguments in ([], ["--extract", str(installer.home / "x")]):
            done = installer.start(run_file, *arguments, PATH=path_with(tools))
            assert (done.returncode, done.stdout) == (1, "")
            assert f"{run_file} is damaged. {words}: download it again.\n" in done.stderr
    assert installer.left() == set()


def test_a_damaged_download_is_not_installed_without_a_program_for_sums(
    run_file: Path, tools: Path, installer: Installer
) -> None:
    names = (
        "sh uname getconf ldd head wc tail tar gzip sed df mktemp rm dirname du find readlink cp"
        " mkdir rmdir mv ln cat touch ls"
    )
    for name in names.split():
        (tools / name).symlink_to(shutil.which(name) or "/missing")
    assert installer.start(run_file, PATH=str(tools)).returncode == 0
    installer.run("--uninstall")
    content = bytearray(run_file.read_bytes())
    content[-6] ^= 1  # in gzip's own sum
    run_file.write_bytes(content)
    done = installer.start(run_file, PATH=str(tools))
    assert (done.returncode, done.stdout) == (1, "Unpacking\n")
    assert done.stderr.startswith("Minerva Desktop is not installed: its files cannot be written")
    assert installer.left() == set()


def test_it_cannot_be_piped_into_a_shell(run_file: Path, installer: Installer) -> None:
    with run_file.open("rb") as stream:
        done = subprocess.run(
            ["sh"], stdin=stream, env=installer.environment({}), cwd=installer.home,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    words = "save it to a file, and run that: sh minerva.run\n"
    assert done.stderr == f"Minerva Desktop is not installed: {words}"


def test_where_it_cannot_unpack_it_says_where_else_to(
    tmp_path: Path, run_file: Path, installer: Installer
) -> None:
    other = "Name another folder to unpack it in: TMPDIR=/some/folder sh minerva.run\n"
    missing = tmp_path / "missing"
    done = installer.start(run_file, TMPDIR=str(missing))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Minerva Desktop is not installed: there is no folder {missing}. {other}"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    installer.run_file(run_file, replace(HERE, kilobytes=10**12))
    done = installer.start(run_file, TMPDIR=str(temporary))
    assert (done.returncode, done.stdout) == (1, "")
    sentence = (
        rf"Minerva Desktop is not installed: its files take 1024000000 MB in {temporary}, where"
        rf" \d+ MB are free\. {other}"
    )
    assert re.fullmatch(sentence, done.stderr)
    done = installer.start(run_file, "--extract", str(temporary))
    assert "not unpacked: its files take 1024000000 MB in" in done.stderr
    assert list(temporary.iterdir()) == []


def test_what_stops_the_unpacking_is_said_once(
    tmp_path: Path, run_file: Path, tools: Path, installer: Installer
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    make_tool(tools, "tar", "for i in 1 2 3; do echo tar: $i: no space >&2; done; exit 2")
    done = installer.start(run_file, PATH=path_with(tools), TMPDIR=str(temporary))
    assert done.returncode == 1
    assert "its files cannot be written to" in done.stderr
    assert ": tar: 1: no space. Name another folder" in done.stderr
    assert done.stderr.count("tar: ") == 1
    assert list(temporary.iterdir()) == []


def test_sudo_does_not_install_it_for_root(
    run_file: Path, tools: Path, installer: Installer
) -> None:
    make_tool(tools, "id", "echo 0")
    done = installer.start(run_file, PATH=path_with(tools), SUDO_USER="ada")
    assert (done.returncode, done.stdout) == (1, "Unpacking\n")
    assert done.stderr == (
        "Minerva Desktop is not installed: sudo would install it for root, not for ada. Run it"
        " without sudo, or with SUDO_USER=root where root is to have it.\n"
    )
    assert installer.left() == set()
    done = installer.start(run_file, PATH=path_with(tools), SUDO_USER="root")
    assert (done.returncode, done.stderr) == (0, "")
    make_tool(tools, "id", "echo 1001")  # as with `sudo -u`: for whom is said
    assert installer.start(run_file, PATH=path_with(tools), SUDO_USER="ada").returncode == 0


def test_a_removal_that_began_is_done(run_file: Path, tools: Path, installer: Installer) -> None:
    installer.run()
    # As Ctrl+C does it: all processes of the terminal get the signal.
    make_tool(tools, "rm", f"kill -s INT 0\nexec '{shutil.which('rm')}' \"$@\"")
    done = subprocess.run(
        ["dash" if shutil.which("dash") else "sh", str(run_file), "--uninstall"],
        env=installer.environment({"PATH": path_with(tools)}), start_new_session=True,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Minerva Desktop is removed.")
    assert installer.left() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_installer_leaves_nothing(
    tmp_path: Path, number: signal.Signals, run_file: Path, tools: Path, installer: Installer
) -> None:
    temporary, begun = tmp_path / "tmp", tmp_path / "begun"
    temporary.mkdir()
    os.mkfifo(begun)
    # Begins, and is interrupted as a terminal does it: all of its processes get the signal.
    make_tool(tools, "tar", f"echo begun >'{begun}'\ncat >/dev/null\nexec sleep 60")
    # A signal that is ignored here, as under nohup, would be ignored there, too.
    before = signal.signal(number, lambda *_: None)
    process = subprocess.Popen(
        ["dash" if shutil.which("dash") else "sh", str(run_file)],
        env=installer.environment({"PATH": path_with(tools), "TMPDIR": str(temporary)}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    signal.signal(number, before)
    with process:
        assert begun.read_text() == "begun\n"
        assert list(temporary.iterdir()) != []
        os.killpg(process.pid, number)
        assert "not installed" not in process.communicate()[1]  # who does that knows it
    assert process.returncode == 128 + number
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("needs", "getconf", "ldd", "words"),
    [
        (replace(HERE, machine="s390x"), "glibc 2.40", "", f"is {platform.machine()}."),
        (HERE, "glibc 2.16", "", "it needs glibc 2.17, and here is 2.16."),
        (HERE, "", "ldd (Debian GLIBC 2.5-9+deb1) 2.5", "it needs glibc 2.17, and here is 2.5."),
        (HERE, "", "", "it needs glibc 2.17, and here is another library of C."),
    ],
)
def test_it_is_not_installed_where_it_cannot_run(
    needs: release_linux.Needs, getconf: str, ldd: str, words: str, run_file: Path, tools: Path,
    installer: Installer,
) -> None:  # fmt: skip
    for name, said in (("getconf", getconf), ("ldd", ldd)):
        make_tool(tools, name, f"[ '{said}' ] && echo '{said}'")
    installer.run_file(run_file, needs)
    done = installer.start(run_file, PATH=path_with(tools))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Minerva Desktop is not installed: ")
    assert done.stderr.rstrip().endswith(words)
    assert installer.left() == set()


def test_the_glibc_that_a_bundle_needs(tmp_path: Path) -> None:
    (tmp_path / "a.so").write_bytes(b"\x7fELF..\0GLIBC_2.4\0GLIBC_2.35\0GLIBC_2.9\0")
    (tmp_path / "b.txt").write_bytes(b"GLIBC_2.99\0")
    assert release_linux.newest_glibc(tmp_path) == 35


def test_the_deb_asks_for_no_newer_library_than_it_calls() -> None:
    told = "libc6 (>= 2.35), libx11-6, libx11-xcb1 (>= 2:1.8.4), libzstd1 (>= 1.5.2), zlib1g (>= 1)"
    assert release_linux.without_versions(told) == (
        "libc6 (>= 2.35), libx11-6, libx11-xcb1, libzstd1, zlib1g (>= 1)"
    )
