"""The engine child as its parent sees it: a process, two pipes and the last words on stderr.

Used on the asyncio loop that started it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Sequence

from minerva_desktop.engine.messages import (
    HEADER,
    Event,
    Request,
    decode_event,
    encode_frame,
    frame_length,
)

STDERR_LINES = 200
EXIT_SECONDS = 2.0  # a child that has not gone by then after its stdin closed is killed
_LINE_BYTES = 1024 * 1024


def child_command() -> tuple[str, ...]:
    """How to start an engine child: this Python, or the frozen app's own executable."""
    if getattr(sys, "frozen", False):
        return (sys.executable, "--engine-child")
    return (sys.executable, "-m", "minerva_desktop.engine.child")


class ChildProcess:
    """A running child. `start` it, then read `events` to the end in one task."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._stderr_task = asyncio.ensure_future(self._keep_stderr())

    @classmethod
    async def start(cls, command: Sequence[str]) -> ChildProcess:
        """Start a child. Raises `OSError` when the system cannot."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=_LINE_BYTES,
            # Ctrl+C in a terminal is for the parent, which then decides about the child.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, as far as the system has told."""
        return self._process.returncode is None

    def send(self, request: Request) -> None:
        """Write a request; dropped when the child is gone (its death is told by `events`)."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(encode_frame(request))

    async def events(self) -> AsyncIterator[Event]:
        """Yield what the child says until it ends, however it ends."""
        stdout = self._process.stdout
        if stdout is None:
            return
        while True:
            try:
                header = await stdout.readexactly(HEADER.size)
                body = await stdout.readexactly(frame_length(header))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            yield decode_event(body)

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        code = await self._process.wait()
        await self._stderr_task
        return code

    async def close(self) -> None:
        """End the child: first by closing its stdin, after `EXIT_SECONDS` by force."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self.wait(), EXIT_SECONDS)
        except TimeoutError:
            self.kill()
            await self.wait()

    def kill(self) -> None:
        """End the child by force, even one that is stopped; no-op when it is gone."""
        if self._process.returncode is None:
            self._process.kill()

    def last_words(self) -> str:
        """The end of the child's stderr, for an expert."""
        return "\n".join(self._stderr)

    async def _keep_stderr(self) -> None:
        stderr = self._process.stderr
        if stderr is None:
            return
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # a line beyond the limit: drop it
                continue
            if not line:
                return
            self._stderr.append(line.decode("utf-8", "replace").rstrip())


def describe_exit(code: int) -> str:
    """An exit code in words: "signal 9, SIGKILL" or "exit code 3"."""
    if code >= 0 or os.name == "nt":
        return f"exit code {code & 0xFFFFFFFF:#x}" if code > 255 else f"exit code {code}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
