"""The installer for one user on Linux, run around a stand-in for the app."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

import release_linux

ROOT = Path(__file__).resolve().parents[2]
LINUX = ROOT / "packaging" / "linux"
ENTRY = "applications/minerva-desktop.desktop"

HERE = release_linux.Needs(platform.machine(), 17)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it installs on Linux")


class Installer:
    """What the `.run` file unpacks, and a person's home that it installs into."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.app = home / ".local" / "lib" / "minerva-desktop"
        (folder / "app" / "_internal" / "llama_cpp" / "lib").mkdir(parents=True)
        (folder / "share" / "applications").mkdir(parents=True)
        home.mkdir()
        shutil.copy(LINUX / "install.sh", folder)
        shutil.copy(LINUX / "minerva-desktop.desktop", folder / "share" / ENTRY)
        program = folder / "app" / "minerva-desktop"
        program.write_text("#!/bin/sh\necho it runs\n")
        program.chmod(0o755)
        for name in ("libggml-base.so", "libggml-cpu-haswell.so"):
            (self.engine(folder / "app") / name).touch()

    @staticmethod
    def engine(app: Path) -> Path:
        return app / "_internal" / "llama_cpp" / "lib"

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        script = self.app if arguments else self.folder
        return subprocess.run(
            ["sh", str(script / "install.sh"), *arguments],
            env=self.environment(variables), capture_output=True, text=True, check=True,
        )  # fmt: skip

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **variables}

    def left(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(tmp_path / "unpacked", tmp_path / "home")


def test_it_is_removed_from_where_it_was_installed_to(installer: Installer) -> None:
    data = installer.home / "data of then"
    installer.run(XDG_DATA_HOME=str(data))
    assert (data / ENTRY).is_file()
    installer.run("--uninstall")  # from a terminal that has no such variable
    assert not (data / ENTRY).exists()
    assert not installer.app.exists()


def test_an_update_with_another_data_folder_leaves_no_second_menu_entry(
    installer: Installer,
) -> None:
    before, now = installer.home / "before", installer.home / "now"
    installer.run(XDG_DATA_HOME=str(before))
    installer.run(XDG_DATA_HOME=str(now))
    assert not (before / ENTRY).exists()
    assert (now / ENTRY).is_file()


def test_an_update_says_what_it_took_that_a_person_had_added(installer: Installer) -> None:
    said = installer.run().stdout
    assert "Removed" not in said + installer.run().stdout
    for name in ("libggml-vulkan.so", "libggml-cpu-of-before.so", "libggml-rpc.so"):
        (installer.engine(installer.app) / name).touch()
    (installer.engine(installer.folder / "app") / "libggml-rpc.so").touch()
    said = installer.run().stdout
    assert "Removed with the version before: libggml-vulkan.so. Put what fits this" in said
    assert f"into {installer.engine(installer.app)}." in said


def test_the_menu_entry_starts_the_app_in_a_home_of_any_name(tmp_path: Path) -> None:
    name = 'a 50%f "home" $HOME `id` back\\slash & | more'
    installer = Installer(tmp_path / "unpacked", tmp_path / name)
    installer.run()
    lines = (installer.home / ".local/share" / ENTRY).read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    program = str(installer.app / "minerva-desktop")
    assert plain(values["TryExec"]) == program
    line = plain(values["Exec"])
    assert line[0] == '"'
    assert line.endswith('" %F')
    argument = "".join(character for character, before in unescaped(line[1:-4], '"`$\\'))
    assert argument.replace("%%", "\0").count("%") == 0
    assert argument.replace("%%", "%") == program


def test_it_can_be_removed_as_it_says_in_a_home_of_any_name(tmp_path: Path) -> None:
    installer = Installer(tmp_path / "unpacked", tmp_path / 'it\'s "my home" $HOME `id` & more')
    told = installer.run().stdout.splitlines()[-1]
    assert told.startswith("To remove it: ")
    line = ["sh", "-c", told.removeprefix("To remove it: ")]
    script = installer.app / "install.sh"
    script.chmod(0o755)
    removed = subprocess.run(line, env=installer.environment({}), capture_output=True, check=True)
    assert removed.stdout.startswith(b"Minerva Desktop is removed.")
    assert not installer.app.exists()


@pytest.mark.parametrize(
    "target", ["/nowhere/tool", "/home/old/lib/minerva-desktop/minerva-desktop"]
)
def test_a_command_that_leads_nowhere_does_not_stop_it(target: str, installer: Installer) -> None:
    commands = installer.home / ".local" / "bin"
    commands.mkdir(parents=True)
    link = commands / "minerva"
    link.symlink_to(target)
    told = installer.run().stderr
    assert (installer.home / ".local/share" / ENTRY).is_file()
    assert (commands / "minerva-desktop").resolve() == installer.app / "minerva-desktop"
    if "minerva-desktop" in target:  # from before the home got its name
        assert link.resolve() == installer.app / "minerva-desktop"
        assert told == ""
    else:
        assert str(link.readlink()) == target
        assert told.startswith(f"{link} is another program's: it stays; use {installer.app}/")
    installer.run("--uninstall")
    assert [path.name for path in commands.iterdir()] == (["minerva"] if told else [])


@pytest.mark.skipif(shutil.which("flock") is None, reason="it has nothing to lock with")
def test_a_second_one_waits_for_the_first(installer: Installer) -> None:
    libraries = installer.app.parent
    libraries.mkdir(parents=True)
    with closing(OpenFolder(libraries)) as first:
        fcntl.flock(first.number, fcntl.LOCK_EX)
        second = subprocess.Popen(
            ["sh", str(installer.folder / "install.sh")], env=installer.environment({}),
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with second:
            assert second.stdout is not None
            assert second.stdout.readline().endswith("waiting until that is done.\n")
            assert list(libraries.iterdir()) == []
            fcntl.flock(first.number, fcntl.LOCK_UN)
            assert "Minerva Desktop is installed" in second.communicate()[0]
    assert second.returncode == 0
    # Nobody's lock is left behind.
    assert [path.name for path in libraries.iterdir()] == [installer.app.name]
    assert "waiting" not in installer.run().stdout


class OpenFolder:
    """An open folder, which can be locked."""

    def __init__(self, folder: Path) -> None:
        self.number = os.open(folder, os.O_RDONLY)

    def close(self) -> None:
        os.close(self.number)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--help"], ""),
        (["-h"], ""),
        (["--nonsense"], "there is no option --nonsense"),
        (["--extract"], "--extract takes one folder"),
        (["--uninstall", "now"], "one option at most, and these are 2: --uninstall now"),
    ],
)
def test_its_options(
    arguments: list[str], wrong: str, tmp_path: Path, installer: Installer
) -> None:
    packed = tmp_path / "minerva.run"
    packed.write_bytes(release_linux._header(packed.name, "minerva", "1.2.3", HERE))
    scripts = [packed, installer.folder / "install.sh"]
    if arguments[0] in ("--extract", "--uninstall"):  # each has one that the other has not
        scripts = scripts[:1] if "--extract" in arguments else scripts[1:]
    for script in scripts:
        done = subprocess.run(
            ["sh", str(script), *arguments], env=installer.environment({}),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        usage = done.stderr if wrong else done.stdout
        assert done.returncode == (2 if wrong else 0)
        assert (done.stdout if wrong else done.stderr) == ""
        assert usage.startswith(f"{script.name}: {wrong}\n" if wrong else ("Minerva", "Installs"))
        assert "for you alone" in usage
    assert installer.left() == set()


def plain(value: str) -> str:
    """A string of a desktop entry."""
    return "".join(character for character, _ in unescaped(value, "\\"))


def unescaped(text: str, special: str) -> list[tuple[str, bool]]:
    """Each character, and whether it had a backslash, which all ``special`` ones need."""
    found: list[tuple[str, bool]] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters)
            assert escaped in special
            found.append((escaped, True))
        else:
            assert character not in special
            found.append((character, False))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_installer_leaves_nothing(
    tmp_path: Path, number: signal.Signals, installer: Installer
) -> None:
    temporary, tools = tmp_path / "tmp", tmp_path / "tools"
    temporary.mkdir()
    tools.mkdir()
    # Begins, and is interrupted as a terminal does it: all of its processes get the signal.
    slow = tools / "tar"
    slow.write_text("#!/bin/sh\necho begun\ncat >/dev/null\nexec sleep 60\n")
    slow.chmod(0o755)
    script = tmp_path / "minerva.run"
    script.write_bytes(release_linux._header(script.name, "minerva", "1.2.3", HERE))
    path = f"{tools}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["dash" if shutil.which("dash") else "sh", str(script)],
        env=installer.environment({"PATH": path, "TMPDIR": str(temporary)}),
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "Unpacking\n"
        assert process.stdout.readline() == "begun\n"
        assert list(temporary.iterdir()) != []
        os.killpg(process.pid, number)
    assert process.returncode  # 128 + number, or what the broken pipe makes of it
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("needs", "getconf", "ldd", "words"),
    [
        (release_linux.Needs("s390x", 17), "glibc 2.40", "", f"is {platform.machine()}."),
        (HERE, "glibc 2.16", "", "it needs glibc 2.17, and here is 2.16."),
        (HERE, "", "ldd (Debian GLIBC 2.5-9+deb1) 2.5", "it needs glibc 2.17, and here is 2.5."),
        (HERE, "", "", "it needs glibc 2.17, and here is another library of C."),
    ],
)
def test_it_is_not_installed_where_it_cannot_run(
    needs: release_linux.Needs, getconf: str, ldd: str, words: str, tmp_path: Path,
    installer: Installer,
) -> None:  # fmt: skip
    for name, said in (("getconf", getconf), ("ldd", ldd)):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n[ '{said}' ] && echo '{said}'\n")
        tool.chmod(0o755)
    script = tmp_path / "minerva.run"
    script.write_bytes(release_linux._header(script.name, "minerva", "1.2.3", needs))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(script)], env=installer.environment({"PATH": path}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
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
