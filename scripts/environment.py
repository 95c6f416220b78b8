"""Sets up `.venv`, from which everything here runs: the app, the tests, the tools.

`ensure(Profile.RUN)` makes the environment match the lock files in `packaging/` and costs a few
milliseconds when it already does; `environment_state` says how that is known.
Needs only the standard library. Everything is said on stderr: stdout belongs to the app.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts this may have an older Python
    # Here and not in a function: the imports below already need 3.11.
    sys.exit(
        f"Minerva Desktop needs Python 3.11 or newer, and this is {sys.version.split()[0]}.\n"
        f"Start the script with a newer one, for example: python3.12 {sys.argv[0]}"
    )

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import build_progress
import system_packages
from environment_state import (
    ENGINE,
    UNPACKER,
    Profile,
    Project,
    engine_flags,
    is_current,
    is_whole,
    locked_block,
    python_tag,
    this_project,
    wanted_engine_flags,
    write_stamp,
)

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class SetupError(Exception):
    """The set-up can't go on. The text says why and what to do, for the person to read."""


def say(text: str) -> None:
    """Print a line for the person, at once."""
    print(text, file=sys.stderr, flush=True)


def ensure(profile: Profile, project: Project | None = None) -> Project:
    """Make the environment serve `profile`; return the project. Raises SetupError."""
    project = project or this_project()
    try:
        if not is_current(project, profile):
            with _exclusive(project.root / ".setup.lock"):
                # Another process may have done it while this one waited.
                if not is_current(project, profile):
                    _set_up(project, profile)
    except OSError as error:
        cause = build_progress.diagnose([str(error)]) or str(error)
        raise SetupError(f"The set-up of {project.venv} failed. {cause}") from error
    return project


def ensure_uv(project: Project) -> Path:
    """Make sure that there is an environment with the pinned uv; return uv's path.

    This is enough to run uv itself and no more. Raises SetupError.
    """
    with _exclusive(project.root / ".setup.lock"):
        _ensure_venv(project)
        uv = _install_uv(project)
        project.marker.unlink(missing_ok=True)
        return uv


def _install_uv(project: Project) -> Path:
    lock = project.lock("requirements-uv.lock")
    uv = project.program("uv")
    pinned = re.search(r"^uv==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    if pinned and uv.exists():
        answer = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.split()[1:2] == [pinned[1]]:
            return uv
    say("Installing uv, which installs everything else")
    pip = [str(project.python), "-m", "pip", "install", "--disable-pip-version-check"]
    _run(project, [*pip, "--require-hashes", "-r", str(lock)], "installing uv")
    return uv


def _set_up(project: Project, profile: Profile) -> None:
    say("Setting up Minerva Desktop")
    _ensure_venv(project)
    project.marker.touch()
    if engine_flags(project) is None:
        say(
            "llama.cpp is built for your computer, which takes 6 to 15 minutes"
            " the first time, and longer on a busy machine"
        )
    project.log.write_text("", encoding="utf-8")
    uv = _install_uv(project)
    if engine_flags(project) not in (None, wanted_engine_flags(project)):
        say(
            "llama.cpp's build flags have changed: it is built anew, which takes 6 to 15 minutes,"
            " and longer on a busy machine"
        )
        uninstall = [str(uv), "pip", "uninstall", "--python", str(project.python), ENGINE]
        _run(project, uninstall, "removing the old llama.cpp")
    if engine_flags(project) is None:
        _require_compiler()
    _install_packages(project, uv, profile)
    _install_app(project, uv)
    _run(project, unpack_command(project), "unpacking the modules of Qt's bindings")
    tag = python_tag(project)
    if tag is None:
        raise SetupError(f"{project.python} doesn't run. {project.log} says what was done.")
    project.marker.unlink()
    write_stamp(project, profile, tag)
    say("Set-up finished")


def _ensure_venv(project: Project) -> None:
    """Make a new environment, with the marker in it, unless a whole one is there."""
    if is_whole(project):
        return
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            "This Python can't make virtual environments: its venv module is not whole.\n"
            f"On Debian and Ubuntu this installs it: sudo apt-get install python{version}-venv"
        )
    say(f"Making a new virtual environment in {project.venv}")
    shutil.rmtree(project.venv, ignore_errors=True)
    project.venv.mkdir(exist_ok=True)
    project.marker.touch()
    try:
        venv.create(project.venv, with_pip=True, symlinks=sys.platform != "win32")
    except subprocess.CalledProcessError as error:
        raise SetupError(f"Making the virtual environment failed: {error}") from error


def _require_compiler() -> None:
    missing = system_packages.provide(system_packages.COMPILERS, "building llama.cpp")
    if missing:
        raise SetupError(
            "llama.cpp is built from source, and there is no C and C++ compiler here.\n"
            f"{system_packages.advice(missing)}\nThen start this again."
        )


def _install_packages(project: Project, uv: Path, profile: Profile) -> None:
    """Install a lock file: from uv's cache if all of it is there, else from the network.

    llama.cpp is tried from the cache in any case. Some package mirrors have every file look
    changed after a while; uv would then build a llama.cpp that it has already built.
    """
    lock = project.lock(profile.value)
    wanted = ["--compile-bytecode", "--require-hashes", "-r", str(lock)]
    if _install(project, uv, ["--offline", *wanted]):
        return
    if engine_flags(project) is None:
        engine = project.venv / "setup-engine.lock"
        engine.write_text(locked_block(lock.read_text(encoding="utf-8"), ENGINE), encoding="utf-8")
        _install(project, uv, ["--offline", "--no-deps", "--require-hashes", "-r", str(engine)])
    _install(project, uv, wanted, doing="installing the packages")


def unpack_command(project: Project) -> list[str]:
    """What has the environment's Python unpack the modules that Shiboken carries."""
    return [str(project.python), str(UNPACKER)]


def _install_app(project: Project, uv: Path) -> None:
    app = ["--no-deps", "--editable", "."]
    if not _install(project, uv, ["--offline", *app]):
        _install(project, uv, app, doing="installing the app's own package")


def _install(project: Project, uv: Path, what: Sequence[str], doing: str = "") -> bool:
    """Have uv install something; return whether it worked. With `doing` a failure raises.

    A failed build raises always: it would fail again, only later.
    """
    constraints = project.lock("requirements-build.lock")
    command = [
        str(uv), "pip", "install", "--verbose", "--color", "never",
        "--python", str(project.python), "--build-constraints", str(constraints), *what,
    ]  # fmt: skip
    reporter = build_progress.Reporter(sys.stderr)
    done = build_progress.run_logged(command, project.root, project.log, reporter)
    if done.code != 0 and (doing or reporter.steps_seen):
        raise _failure(project, doing or "building llama.cpp", done)
    return done.code == 0


def _run(project: Project, command: Sequence[str], doing: str) -> None:
    reporter = build_progress.Reporter(sys.stderr)
    done = build_progress.run_logged(command, project.root, project.log, reporter)
    if done.code != 0:
        raise _failure(project, doing, done)


def _failure(project: Project, doing: str, done: build_progress.Outcome) -> SetupError:
    for line in build_progress.relevant_tail(done.lines):
        say(f"  {line}")
    cause = build_progress.diagnose(done.lines)
    return SetupError(
        f"The set-up failed while {doing} (exit code {done.code})."
        + (f"\n{cause}" if cause else "")
        + f"\nThe whole log: {project.log}"
    )


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the set-up's lock. The system frees it when the processes end, however they end.

    The commands that are run meanwhile hold it too: when this process is killed, the next set-up
    waits until they have ended, and doesn't clear away the folder that they still write to.
    """
    with path.open("a+") as handle:
        os.set_inheritable(handle.fileno(), True)
        if not _lock(handle.fileno(), wait=False):
            say("Another set-up is at work here: waiting for it")
            while not _lock(handle.fileno(), wait=True):
                pass
        yield


def _lock(handle: int, *, wait: bool) -> bool:
    try:
        if sys.platform == "win32":
            # This waits 10 seconds at most, then fails: the caller asks again.
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        if sys.platform == "win32":
            return False
        raise
    return True


def start(project: Project, command: Sequence[str]) -> NoReturn:
    """Go on as the environment's Python with these arguments."""
    full = [str(project.python), *command]
    if sys.platform == "win32":
        # Windows' exec gives the prompt back while the program still runs.
        sys.exit(subprocess.run(full, check=False).returncode)
    os.execv(full[0], full)
