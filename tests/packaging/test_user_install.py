"""The installer for one user on Linux, run around a stand-in for the app."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.packaging.linux_installer import ENTRY, MIME, Installer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it installs on Linux")


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
        assert told.startswith(f"{link} leads to {target}, where nothing is: it stays. To have it")
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
        (["--uninstall", "now"], "one option at most, and these are 2: --uninstall now"),
    ],
)
def test_its_options(arguments: list[str], wrong: str, installer: Installer) -> None:
    done = installer.attempt(*arguments)
    assert done.returncode == (2 if wrong else 0)
    usage = done.stderr if wrong else done.stdout
    assert (done.stdout if wrong else done.stderr) == ""
    assert usage.startswith(f"install.sh: {wrong}\nInstalls" if wrong else "Installs")
    assert "for you alone" in usage
    assert installer.left() == set()


def test_a_command_that_leads_nowhere_can_be_taken_as_it_says(tmp_path: Path) -> None:
    installer = Installer(tmp_path / "unpacked", tmp_path / "my home")
    commands = installer.home / ".local" / "bin"
    commands.mkdir(parents=True)
    (commands / "minerva").symlink_to("/nowhere/tool")
    told = installer.run().stderr
    subprocess.run(["sh", "-c", told.partition("start Minerva: ")[2]], check=True)
    assert subprocess.check_output([commands / "minerva"], text=True) == "it runs\n"
    installer.run("--uninstall")
    assert installer.left() == {".local", ".local/bin"}


def test_it_is_not_removed_while_it_runs(installer: Installer) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    shutil.copy(sleep, installer.program)
    assert "was open" not in installer.run().stdout
    with running(installer.app / "minerva-desktop") as pid:
        before = installer.left()
        done = installer.attempt("--uninstall")
        assert done.returncode == 1
        assert done.stderr == (
            f"Minerva Desktop is not removed: it is running (process {pid}). Close its window, stop"
            " its commands, and try again.\n"
        )
        assert installer.left() == before
        # It goes on from a file that is gone then.
        assert f"Minerva was open meanwhile (process {pid}). Close it" in installer.run().stdout
        assert installer.attempt("--uninstall").returncode == 1
        assert installer.left() == before
    installer.run("--uninstall")
    assert installer.left() == set()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="root may write to all")
@pytest.mark.parametrize("mode", [0o555, 0])  # as others see one of 755, and one of 700
def test_what_another_user_has_installed_there_stays(mode: int, installer: Installer) -> None:
    installer.run()
    installer.app.chmod(mode)
    before = installer.left()
    person = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    for arguments, what in (((), "installed"), (("--uninstall",), "removed")):
        done = subprocess.run(
            [
                *(person if os.geteuid() == 0 else ()),
                "sh", str(installer.folder / "install.sh"), *arguments,
            ],
            env=installer.environment({}), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"Minerva Desktop is not {what}: {installer.app} is another user's. To remove it: sudo"
            f" rm -r {installer.app}\n"
        )
    installer.app.chmod(0o755)
    assert installer.left() == before


def test_a_command_that_cannot_be_made_is_told_of(tmp_path: Path, installer: Installer) -> None:
    tool = tmp_path / "ln"
    tool.write_text("#!/bin/sh\necho ln: no space left >&2\nexit 1\n")
    tool.chmod(0o755)
    done = installer.attempt(PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Minerva Desktop is installed, but not all of its commands and menu entry: ln: no space"
        " left. When that is mended, install it again. Until then: "
    )
    assert (installer.data / ENTRY).is_file()
    assert installer.run().stderr == ""


@contextmanager
def running(program: Path) -> Iterator[int]:
    """A process of a copy of `sleep`."""
    with subprocess.Popen(["sleep", "600"], executable=program) as process:
        try:
            yield process.pid
        finally:
            process.kill()


# As `update-mime-database` and `update-desktop-database` leave them where no program is left.
CACHES = ("applications/mimeinfo.cache", "mime/mime.cache", "mime/globs2", "mime/version")


def test_nothing_is_left_of_it(installer: Installer) -> None:
    installer.run()
    installer.run()  # what the first one made is not forgotten
    for name in CACHES:
        (installer.data / name).touch()
    installer.run("--uninstall")
    assert installer.left() == set()


def test_what_is_of_others_stays(installer: Installer) -> None:
    data = installer.data
    for folder in ("applications", "mime/packages", "icons"):
        (data / folder).mkdir(parents=True)
    (data / "mime" / "mine.txt").touch()
    before = installer.left()
    installer.run()
    for name in CACHES:
        (data / name).touch()
    other = data / "applications" / "other.desktop"
    other.touch()
    installer.run("--uninstall")
    kept = {str((data / name).relative_to(installer.home)) for name in CACHES}
    assert installer.left() >= before | kept | {str(other.relative_to(installer.home))}
    assert not [name for name in installer.left() if "minerva" in name]


def test_a_folder_that_others_came_to_use_stays_with_its_caches(installer: Installer) -> None:
    installer.run()
    others = {installer.data / "applications" / "other.desktop", installer.data / MIME}
    others = {path.with_stem("other") for path in others}
    for path in others:
        path.write_text(
            "<mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'/>"
        )
    caches = {installer.data / name for name in CACHES}
    for path in caches:
        path.touch()
    installer.run("--uninstall")
    assert all(path.exists() for path in others | caches)
    assert not (installer.home / ".local" / "bin").exists()


def test_an_update_that_was_cut_off_is_taken_up(installer: Installer) -> None:
    installer.run()
    old, new = (installer.app.with_suffix(suffix) for suffix in (".old", ".new"))
    installer.app.rename(old)
    new.mkdir()
    assert installer.attempt(HOME="").returncode == 1
    installer.run()
    assert list(installer.app.parent.iterdir()) == [installer.app]
    installer.app.rename(old)
    new.mkdir()
    installer.run("--uninstall")
    assert installer.left() == set()


@pytest.mark.parametrize("home", [None, "", "some/folder"])
@pytest.mark.parametrize(("arguments", "what"), [([], "installed"), (["--uninstall"], "removed")])
def test_without_a_home_it_says_what_to_set(
    home: str | None, arguments: list[str], what: str, installer: Installer
) -> None:
    environment = {"PATH": os.environ["PATH"]} | ({} if home is None else {"HOME": home})
    done = subprocess.run(
        ["sh", str(installer.folder / "install.sh"), *arguments], env=environment,
        cwd=installer.home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    words = "HOME names no folder. Set it, as in HOME=/home/you"
    assert done.stderr == f"Minerva Desktop is not {what}: {words}\n"
    assert installer.left() == set()


def test_a_menu_entry_that_cannot_be_written_is_told_of(installer: Installer) -> None:
    installer.run()
    (installer.data / f"{ENTRY}.new").mkdir()
    done = installer.attempt()
    assert done.returncode == 1
    assert (
        "Minerva Desktop is installed, but not all of its commands and menu entry: " in done.stderr
    )
    assert done.stderr.endswith(f"Until then: {installer.app}/minerva-desktop\n")
    assert (installer.data / ENTRY).is_file()  # the one of before
    (installer.data / f"{ENTRY}.new").rmdir()
    installer.run()


# On a disk of its own, which goes with the shell. It fills up or is locked after the first version.
SMALL_DISK = """
exec 2>&1
mount -t tmpfs -o size=300k,nr_inodes=60 tmpfs "$HOME" || exit
sh install.sh
printf '#!/bin/sh\necho the new one\n' >app/minerva-desktop
{trouble}
find "$HOME" | sort >../before
echo TROUBLE
sh install.sh && exit
find "$HOME" | sort | diff ../before -
mount -o remount,exec "$HOME"
"$HOME/.local/bin/minerva"
"""
FULL = "head -c 300k /dev/zero >$HOME/filler"
FULL_OF_FILES = "i=0; while mkdir $HOME/$i; do i=$((i + 1)); done; rmdir $HOME/0"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (FULL, "the app takes 1 MB in {lib}, where 0 MB are free. Make room there, and try again."),
        (FULL_OF_FILES, "No space left on device. It takes 1 MB there: make room, and try again."),
        ("mount -o remount,ro $HOME", "you may not write to {lib}. It needs folders there that"),
        ("mount -o remount,noexec $HOME", "no program may start in {lib}: use the .deb."),
    ],
    ids=["full", "full-of-files", "read-only", "noexec"],
)
def test_a_disk_that_takes_no_more_leaves_the_version_before(
    trouble: str, words: str, installer: Installer
) -> None:
    namespace = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run(
        [*namespace, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False
    ).returncode:
        pytest.skip("no disk can be mounted here")
    done = subprocess.run(
        [*namespace, "sh", "-c", SMALL_DISK.format(trouble=trouble)], cwd=installer.folder,
        env=installer.environment({}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    said, program = done.stdout.partition("TROUBLE\n")[2].splitlines()
    assert said.startswith("Minerva Desktop is not installed: ")
    assert words.format(lib=installer.app.parent) in said
    assert program == "it runs"


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
