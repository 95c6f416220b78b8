"""Runs the programs that a release is made with: output into a log, a failure as a sentence."""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import build_progress


def run_step(
    doing: str,
    command: Sequence[str | Path],
    log: Path,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a program, with ``variables`` added to the environment, and say how long it took.

    Its output is added to ``log``. Raises `SetupError` with the end of that when it fails.
    """
    environment.say(f"{doing} …")
    start = time.monotonic()
    with log.open("a", encoding="utf-8") as sink:
        sink.write(f"$ {' '.join(map(str, command))}\n")
        sink.flush()
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, check=False,
            env=os.environ | dict(variables or {}),
        ).returncode  # fmt: skip
    if code != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in build_progress.relevant_tail(lines):
            environment.say(f"  {line}")
        raise environment.SetupError(
            f"{doing} failed (exit code {code}). {build_progress.diagnose(lines)}\n"
            f"The whole log: {log}"
        )
    environment.say(f"{doing}: {build_progress.duration(time.monotonic() - start)}")
