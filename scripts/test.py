"""`python3 scripts/test.py [PYTEST ARGUMENTS]`: sets everything up, then checks everything.

Runs ruff, ruff's format check, mypy and pytest, each whatever the ones before it gave, and ends
with exit code 1 if any of them failed. Arguments go to pytest, which runs in the project's root,
two tests at a time (`-n 0`: one, as a debugger needs it).
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import build_progress
import environment_state
import system_packages

# Two tests at a time. More would not help: most have a model compute on all cores, and wait for it.
WORKERS = "2"
# Each worker takes one half of the tests, file by file, and then from what the other still has: a
# model that the tests of a file share is loaded once and not by both workers.
SHARING = ("--dist", "worksteal")


@dataclass(frozen=True)
class Result:
    """How one stage went; `seconds` is its wall-clock time."""

    name: str
    code: int
    seconds: float

    def __str__(self) -> str:
        verdict = "ok" if self.code == 0 else f"FAILED ({self.code})"
        return f"{self.name} {verdict}, {build_progress.duration(self.seconds)}"


def main(arguments: Sequence[str]) -> int:
    """Set up, run all stages, and return the exit code."""
    if not _system_is_ready():
        return 1
    try:
        project = environment.ensure(environment_state.Profile.TEST)
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    stages = (
        ("ruff check", ["ruff", "check", "."]),
        ("ruff format", ["ruff", "format", "--check", "."]),
        ("mypy", ["mypy"]),
        ("pytest", ["pytest", "-n", WORKERS, *SHARING, *arguments]),
    )
    results = [_run(project, name, command) for name, command in stages]
    print(" · ".join(map(str, results)), flush=True)
    return int(any(result.code for result in results))


def _system_is_ready() -> bool:
    parts = (*system_packages.QT, *system_packages.QT_X11, *system_packages.DISPLAY)
    system_packages.provide_if_easy(system_packages.FONTS, "the screenshots")
    system_packages.provide_if_easy(system_packages.TRACER, "the test of hostile text")
    lacking = system_packages.provide(parts, "the tests")
    if not lacking:
        return True
    environment.say("The tests need: " + ", ".join(part.name for part in lacking))
    environment.say(system_packages.advice(lacking))
    # Tests that start the app on a display say for themselves that there is none.
    return not set(lacking) & set(system_packages.QT)


def _run(project: environment_state.Project, name: str, command: Sequence[str]) -> Result:
    print(f"== {name}", flush=True)
    start = time.monotonic()
    code = subprocess.run(
        [project.python, "-m", *command], cwd=project.root, check=False
    ).returncode
    return Result(name, code, time.monotonic() - start)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
