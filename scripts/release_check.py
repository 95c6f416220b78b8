"""Uses what was built as its users will: the frozen app, and the packages in a clean Debian."""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import ctypes
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import environment_state
from release_environment import ReleaseProject
from release_linux import PACKAGE
from release_run import run_step

SUITE = "bookworm"
# The tests that start the app as a person does, and those of its commands.
TESTS = ("tests/end_to_end", "tests/packaging/test_frozen.py")
# None of these may be what makes the app work.
FORBIDDEN = ("usr/bin/python3", "usr/bin/gcc", "usr/bin/cc")
# What the root shares with this machine: the tests' folders and displays are under /tmp.
MOUNTS = ("proc", "dev", "tmp")
# What the installer for one user counts on: a desktop's own, whatever the .deb depends on.
DESKTOP = (
    "libgtk-3-0", "libegl1", "libgl1", "dbus", "xwayland", "fonts-dejavu-core", "libssl3"
)  # fmt: skip
USER, HOME = "1000:1000", "home/person"
CLONE_NEWNS = 0x20000  # Linux's word for mounts of one's own


def check_app(command: Sequence[str]) -> None:
    """Run the end-to-end tests on an app that is started by ``command``. Raises `SetupError`."""
    project = environment.ensure(environment_state.Profile.TEST)
    told = shlex.join(command)
    environment.say(f"Testing {told}")
    pytest: list[str | Path] = [project.python, "-m", "pytest", "-n", "0", "-v", *TESTS]
    pytest += ["-m", "slow or not slow"]
    variables = os.environ | {"MINERVA_APP": told}
    if subprocess.run(pytest, cwd=project.root, env=variables, check=False).returncode != 0:
        raise environment.SetupError("The frozen app does not do what it should: see above")


def check_tools() -> None:
    """See that there is what `check_packages` needs. Raises `SetupError`."""
    if not (shutil.which("mmdebstrap") and os.geteuid() == 0):
        raise environment.SetupError(
            "A clean Debian needs root and mmdebstrap: apt-get install mmdebstrap"
        )


def check_packages(project: ReleaseProject, packages: Sequence[Path]) -> None:
    """Install the packages into a clean Debian, test what they install, and take them off again.
    Raises `SetupError`."""
    log = project.build / "clean-root.log"
    _have_own_mounts(log)
    root = _clean_root(project, "clean-root", (), log)
    package = next(each for each in packages if each.suffix == ".deb")
    installer = next(each for each in packages if each.suffix == ".run")
    before = _files(root)
    shutil.copy(package, root)
    inside: list[str | Path] = ["chroot", root]
    with _mounted(root):
        apt = [*inside, "apt-get", "install", "-y", "--no-install-recommends", f"/{package.name}"]
        run_step("Installing the .deb", apt, log, {"DEBIAN_FRONTEND": "noninteractive"})
        found = [name for name in FORBIDDEN if (root / name).exists()]
        if found:
            raise environment.SetupError(f"The clean Debian has {', '.join(found)}")
        check_app(["chroot", str(root), f"/usr/bin/{PACKAGE}"])
        run_step("Removing the .deb", [*inside, "apt-get", "purge", "-y", PACKAGE], log)
    copied = {each.name for each in packages}
    new = _files(root) - before
    left = sorted(name for name in new if "minerva" in name and Path(name).name not in copied)
    if left:
        raise environment.SetupError(f"Left behind by the .deb: {left}")
    # In another one: what the .deb has brought would be there for it, too.
    desktop = _clean_root(project, "clean-desktop", DESKTOP, log)
    with _mounted(desktop):
        _check_user_install(desktop, installer, log)
    environment.say("The packages install, work and go without a trace but the user's data")


def _clean_root(project: ReleaseProject, name: str, packages: Sequence[str], log: Path) -> Path:
    """A minimal Debian with ``packages``, made anew; its folder."""
    root = project.build / name
    shutil.rmtree(root, ignore_errors=True)
    # The lists of packages stay in it, for what the .deb needs.
    make: list[str | Path] = ["mmdebstrap", "--variant=apt", "--skip=cleanup/apt/lists"]
    make += [f"--include={','.join(packages)}"] if packages else []
    run_step(f"Making a clean Debian ({name})", [*make, SUITE, root], log)
    return root


def _check_user_install(root: Path, installer: Path, log: Path) -> None:
    """Install for one person, who asks it and has it test itself; run the tests that open its
    window; take it off again. Raises `SetupError`."""
    home = root / HOME
    (home / ".local/share/Minerva Desktop").mkdir(parents=True)
    chats = home / ".local/share/Minerva Desktop/chats.sqlite3"
    chats.write_bytes(b"a person's chats")
    shutil.copy(installer, home)
    subprocess.run(["chown", "-R", USER, home], check=True)
    person: list[str | Path] = [
        "chroot", f"--userspec={USER}", root, "/usr/bin/env", "-i", f"HOME=/{HOME}",
        "PATH=/usr/bin:/bin",
    ]  # fmt: skip
    run_step("Installing for one user", [*person, "sh", f"/{HOME}/{installer.name}"], log)
    before_use = _files(home)
    asked = ("chat", "--prompt", "Name a colour.", "--max-tokens", "8", "--seed", "1")
    folders = ("MINERVA_HOME=/tmp/minerva-check", "XDG_CACHE_HOME=/tmp/minerva-check/cache")
    command = [*person, *folders, f"/{HOME}/.local/bin/minerva"]
    run_step("Asking the installed app", [*command, *asked], log)
    run_step("Having it draw its window, among other things", [*command, "selftest"], log)
    shutil.rmtree("/tmp/minerva-check", ignore_errors=True)
    # As root: the displays and folders of the tests are its own, and closed to others.
    check_app(["chroot", str(root), f"/{HOME}/.local/bin/{PACKAGE}"])
    uninstall = [*person, f"/{HOME}/.local/lib/{PACKAGE}/install.sh", "--uninstall"]
    run_step("Removing it again", uninstall, log)
    left = _files(home) - {installer.name}
    if left != {".local/share/Minerva Desktop/chats.sqlite3"} or not before_use > left:
        raise environment.SetupError(f"Left behind by the installer: {sorted(left)}")


def _have_own_mounts(log: Path) -> None:
    """What this process mounts goes with it, however it ends: where a mount stays in the clean
    Debian, whoever deletes that, as the next run does, deletes this machine's /tmp and /dev with
    it. Raises `SetupError`."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise environment.SetupError(f"A clean Debian needs mounts of its own: {reason}")
    run_step("Keeping the mounts apart", ["mount", "--make-rprivate", "/"], log)


@contextmanager
def _mounted(root: Path) -> Iterator[None]:
    done: list[Path] = []
    try:
        for name in MOUNTS:
            subprocess.run(["mount", "--bind", f"/{name}", root / name], check=True)
            done.append(root / name)
        yield
    finally:
        for place in reversed(done):
            subprocess.run(["umount", "--lazy", place], check=False)


def _files(root: Path) -> set[str]:
    """All files and links below ``root``, but for what is mounted there."""
    found = set()
    for folder, folders, names in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in MOUNTS]
        found |= {str(Path(folder, name).relative_to(root)) for name in names}
    return found
