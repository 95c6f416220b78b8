"""Runs the set-up's commands: all output into a log, the telling part of it to the person.

`Reporter` turns the output of uv and of the compiler below it into one line that moves on a
terminal, and into a line now and then elsewhere. `diagnose` turns a failure into a sentence.
"""

import os
import queue
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

# Seconds between two progress lines where there is no terminal.
PLAIN_INTERVAL = 15.0
# A build of which so many seconds and steps are known tells how long it still takes.
KNOWN_SECONDS, KNOWN_STEPS = 30.0, 5

_NINJA_STEP = re.compile(r"^(?:DEBUG )?\[(\d+)/(\d+)\] ")
_MAKE_STEP = re.compile(r"^(?:DEBUG )?\[ *(\d+)%\] ")
_WORTH_SHOWING = re.compile(r"^(Downloading|Resolved|Prepared|Installed|Uninstalled) ")

# What commands print when they fail, and what that means. The first that is found counts.
_CAUSES = {
    r"No space left on device|os error 28\b|ENOSPC|not enough space on the disk": (
        "The disk is full: the set-up needs about 4 GB in this folder and in uv's cache."
    ),
    r"Hash mismatch|DO NOT MATCH THE HASHES": (
        "A downloaded file is not the one that the lock file names. If a proxy or mirror changes "
        "files, go around it; if packages have been changed on purpose: python3 scripts/lock.py"
    ),
    (
        r"dns error|failed to lookup address|Temporary failure in name resolution"
        r"|Network is unreachable|Connection refused|Connection reset|error sending request"
        r"|Failed to fetch|operation timed out|Connection timed out|client error \(Connect\)"
        r"|No matching distribution found|ProxyError|invalid peer certificate"
    ): (
        "The package index can't be reached: check the network connection or the proxy settings. "
        "Note that uv doesn't read pip's settings: UV_DEFAULT_INDEX names a mirror to it."
    ),
    r"Killed signal terminated program|out of memory|Cannot allocate memory": (
        "The compiler ran out of memory: close other programs, or build fewer files at a time "
        "with CMAKE_BUILD_PARALLEL_LEVEL=1."
    ),
    (
        r"CMAKE_C(XX)?_COMPILER|No CMAKE_C|C(XX)? compiler identification is unknown"
        r"|is not able to compile a simple test program"
    ): "The C or C++ compiler is missing or doesn't work.",
    r"Permission denied|Read-only file system|os error 13\b|os error 30\b": (
        "The project's folder, or uv's cache, can't be written to."
    ),
}


@dataclass(frozen=True)
class Step:
    """How far a build is: `done` of `total` steps."""

    done: int
    total: int


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and the lines that it printed."""

    code: int
    lines: list[str] = field(repr=False)


def parse_step(line: str) -> Step | None:
    """Read a line of ninja's or make's progress, which uv may have put DEBUG before."""
    ninja = _NINJA_STEP.match(line)
    if ninja:
        return Step(int(ninja[1]), int(ninja[2]))
    make = _MAKE_STEP.match(line)
    if make:
        return Step(int(make[1]), 100)
    return None


def duration(seconds: float) -> str:
    """Say a time span as `10 s` or `3 min 10 s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def time_left(known: float, steps: int, left: int) -> str:
    """Say what `left` steps may take when `steps` took `known` seconds; empty: too little is known.

    Steps differ: one is a small file, another the largest. So this is in minutes, and "about".
    """
    if known < KNOWN_SECONDS or steps < KNOWN_STEPS:
        return ""
    minutes = round(known / steps * left / 60)
    return f"about {minutes} min left" if minutes else "less than a minute left"


def diagnose(lines: Sequence[str]) -> str:
    """Say in a sentence what probably made a command fail; empty when nothing known is there."""
    # The last lines tell: a failure earlier on may have been got over by trying again.
    text = "\n".join(lines[-400:])
    return next((cause for pattern, cause in _CAUSES.items() if re.search(pattern, text)), "")


def relevant_tail(lines: Sequence[str], count: int = 25) -> list[str]:
    """Pick the last lines that a person can do something with, each cut to 300 characters."""
    telling = [line for line in lines if line.strip() and not line.startswith(("DEBUG", "TRACE"))]
    return [line[:300] for line in telling[-count:]]


class Reporter:
    """Shows a command's progress on `out` from its lines of output. For one thread.

    `clock` gives seconds; `steps_seen` says whether a build has got to compiling.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.steps_seen = False
        self._out = out
        self._clock = clock
        self._moving = out.isatty()
        self._build_start = 0.0
        self._first_done = 0
        self._step: Step | None = None
        self._last_shown = clock()
        self._width = 0

    def line(self, text: str) -> None:
        """Take one line of the command's output."""
        step = parse_step(text)
        if step is not None:
            if not self.steps_seen:
                self.steps_seen = True
                self._build_start = self._clock()
                self._first_done = step.done
            self._step = step
            self.tick()
        elif _WORTH_SHOWING.match(text):
            self._clear()
            self._print(text + "\n")

    def tick(self) -> None:
        """Show the build's progress if it is time to; call this about once a second."""
        if self._step is None:
            return
        now = self._clock()
        text = self._progress(self._step, now - self._build_start)
        if self._moving:
            self._clear()
            columns = shutil.get_terminal_size().columns
            self._width = min(len(text), columns - 1)
            self._print(text[: self._width])
        elif now - self._last_shown >= PLAIN_INTERVAL:
            self._last_shown = now
            self._print(text + "\n")

    def _progress(self, step: Step, spent: float) -> str:
        percent = step.done * 100 // max(step.total, 1)
        left = time_left(spent, step.done - self._first_done, step.total - step.done)
        parts = (f"{step.done}/{step.total} ({percent} %)", duration(spent), left)
        return "  ".join(["Building llama.cpp", *filter(None, parts)])

    def finish(self, *, worked: bool) -> None:
        """Take the moving line away. Call this when the command has ended."""
        self._clear()
        if self._step is not None and worked:
            self._print(f"Built llama.cpp in {duration(self._clock() - self._build_start)}\n")
        self._step = None

    def _clear(self) -> None:
        if self._width:
            self._print("\r" + " " * self._width + "\r")
            self._width = 0

    def _print(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def run_logged(command: Sequence[str], cwd: Path, log: Path, reporter: Reporter) -> Outcome:
    """Run a command with no input, append its output to `log`, show its progress.

    The command inherits the files that are marked for it, such as the set-up's lock.

    Raises OSError when it can't be started or the log can't be written. Ctrl-C reaches the
    command too; this waits for it to end before the KeyboardInterrupt goes on.
    """
    lines: list[str] = []
    arriving: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with (
        log.open("a", encoding="utf-8") as sink,
        subprocess.Popen(
            command, cwd=cwd, env=os.environ | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            close_fds=False, text=True, encoding="utf-8", errors="replace",
        ) as process,
    ):  # fmt: skip
        sink.write(f"$ {' '.join(command)}\n")
        assert process.stdout is not None
        threading.Thread(target=_pump, args=(process.stdout, arriving), daemon=True).start()
        while True:
            try:
                line = arriving.get(timeout=1.0)
            except queue.Empty:
                reporter.tick()
                continue
            if line is None:
                break
            sink.write(line + "\n")
            lines.append(line)
            reporter.line(line)
    reporter.finish(worked=process.returncode == 0)
    return Outcome(process.returncode, lines)


def _pump(stream: IO[str], arriving: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        arriving.put(line.rstrip("\r\n"))
    arriving.put(None)
