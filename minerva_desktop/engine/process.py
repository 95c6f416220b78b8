"""The engine child as its parent sees it: a process, two pipes and the last words on stderr.

Used on the asyncio loop that started it. An `asyncio` protocol rather than streams: a token is
here in the turn of the loop that reads it, not three later, on cores that the model wants for
itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from minerva_desktop.engine.child_version import child_arguments
from minerva_desktop.engine.frames import EventFrames, encode_frame
from minerva_desktop.engine.messages import Event, Request

_log = logging.getLogger(__name__)

STDERR_LINES = 200
EXIT_SECONDS = 2.0  # a child that has not gone by then after its stdin closed is killed
START_SECONDS = 1.0  # what a start that is given up may take to get through
_LINE_BYTES = 64 * 1024  # of a line without an end; what comes before is dropped
_STDIN, _STDOUT, _STDERR = 0, 1, 2
# The exit code of a process that read mapped memory which its file no longer has.
BUS_ERROR = None if sys.platform == "win32" else -int(signal.SIGBUS)
# That of one that used memory which it does not have.
BAD_ADDRESS = 0xC0000005 if sys.platform == "win32" else -int(signal.SIGSEGV)
# That of one that met an instruction which the processor does not know.
ILLEGAL_INSTRUCTION = 0xC000001D if sys.platform == "win32" else -int(signal.SIGILL)


def child_command() -> tuple[str, ...]:
    """How to start an engine child: this Python, or the frozen app's own executable."""
    if getattr(sys, "frozen", False):
        return (sys.executable, "--engine-child", *child_arguments())
    return (sys.executable, "-m", "minerva_desktop.engine.child", *child_arguments())


def _unheard(_event: Event) -> None:
    """Who listens before `ChildProcess.listen`, and after the child said nonsense."""


class _Frames(asyncio.Protocol):
    """Reads a pipe of a process. asyncio's own reader of it would hand on what it gets in another
    turn of the loop, which costs each token a system call; here it is told of the end only."""

    def __init__(
        self, on_data: Callable[[bytes], None], asyncios_own: asyncio.BaseProtocol
    ) -> None:
        self._on_data = on_data
        self._asyncios_own = asyncios_own

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._asyncios_own.connection_lost(exc)


class ChildProcess(asyncio.SubprocessProtocol):
    """A running child. `start` it, then say who listens: a child says nothing before it is asked
    for something. ``has_spoken``: whether it ever said anything."""

    def __init__(self) -> None:
        """Called by asyncio; use `start`."""
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_spoken = False
        self._frames = EventFrames()
        self._on_event: Callable[[Event], None] = _unheard
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._line = b""
        self._transport: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport

    @classmethod
    async def start(cls, command: Sequence[str]) -> ChildProcess:
        """Start a child. Raises `OSError` when the system cannot. Cancelled, it ends the child that
        was about to come."""
        loop = asyncio.get_running_loop()
        work = loop.subprocess_exec(
            cls,
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            # Ctrl+C in a terminal is for the parent, which then decides about the child.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        starting = asyncio.ensure_future(work)
        try:
            # Shielded: a start that is interrupted is not undone, see `_abandon`.
            _, child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_kill_started)
            await _abandon(starting)
            raise
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._transport.get_pid()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, as far as the system has told."""
        return self._transport.get_returncode() is None

    def listen(self, on_event: Callable[[Event], None]) -> None:
        """``on_event`` gets what the child says from now on, on the loop, until `wait` is over."""
        self._on_event = on_event

    def send(self, request: Request) -> None:
        """Write a request; dropped when the child is gone (`wait` tells of its end). Raises what
        `encode_frame` does."""
        frame = encode_frame(request)
        if not self._stdin.is_closing():
            self._stdin.write(frame)

    async def wait(self) -> int:
        """Wait for the end, and for all that was said before it; the exit code, negative for a
        signal."""
        await asyncio.shield(self._ended)
        code = self._transport.get_returncode()
        return 0 if code is None else code

    async def close(self) -> None:
        """End the child: first by closing its stdin, after `EXIT_SECONDS` by force."""
        self._stdin.close()
        try:
            await asyncio.wait_for(self.wait(), EXIT_SECONDS)
        except TimeoutError:
            self.kill()
            await self.wait()

    def kill(self) -> None:
        """End the child by force, even one that is stopped; no-op when it is gone."""
        if self.is_running:
            self._transport.kill()

    def last_words(self) -> str:
        """The end of the child's stderr, for an expert."""
        return "\n".join(self._stderr)

    # -- called by asyncio -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The child was started."""
        if not isinstance(transport, asyncio.SubprocessTransport):
            raise TypeError(f"{type(transport).__name__} is no transport of a process")
        stdin = transport.get_pipe_transport(_STDIN)
        if not isinstance(stdin, asyncio.WriteTransport):
            raise TypeError("The child has no stdin")
        stdout = transport.get_pipe_transport(_STDOUT)
        if stdout is None:
            raise TypeError("The child has no stdout")
        stdout.set_protocol(_Frames(self._read, stdout.get_protocol()))
        self._transport, self._stdin = transport, stdin

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """The child wrote to stderr, or something before `connection_made`."""
        if fd == _STDERR:
            self._keep_lines(data)
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        self.has_spoken = True
        try:
            for event in self._frames.feed(data):
                self._on_event(event)
        except (msgspec.DecodeError, ValueError):
            _log.exception("The engine child said something that cannot be read")
            self._on_event = _unheard
            self.kill()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The child ended, and everything that it wrote is read."""
        if self._line:
            self._keep_lines(b"\n")
        self._transport.close()
        if not self._ended.done():
            self._ended.set_result(None)

    def _keep_lines(self, data: bytes) -> None:
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-_LINE_BYTES:]
        self._stderr.extend(line.decode("utf-8", "replace").rstrip() for line in lines)


_Started = tuple[asyncio.SubprocessTransport, ChildProcess]


def _kill_started(starting: asyncio.Future[_Started]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        _, child = starting.result()
        child.kill()


async def _abandon(starting: asyncio.Task[_Started]) -> None:
    """Wait for a start that nobody wants any more, and for the end of its child.

    When a loop is torn down (`asyncio.run`), the start and asyncio's own task that connects the
    pipes are cancelled, too. The start then kills the process, and waits for the end of pipes that
    never were (`BaseSubprocessTransport._try_finish` in CPython 3.11): for ever, unless it is
    cancelled once more.
    """
    while not starting.done():
        await asyncio.wait([starting], timeout=START_SECONDS)
        starting.cancel()
    if not starting.cancelled() and starting.exception() is None:
        _, child = starting.result()
        await child.wait()


def describe_exit(code: int) -> str:
    """An exit code in words: "signal 9, SIGKILL" or "exit code 3"."""
    if code >= 0 or os.name == "nt":
        return f"exit code {code & 0xFFFFFFFF:#x}" if code > 255 else f"exit code {code}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
