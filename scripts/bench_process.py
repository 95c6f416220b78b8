"""A server under measurement: a process of ours on a free loopback port.

Used by `bench_server` for llama.cpp's and by `bench_http_servers` for Minerva's own. All calls
block.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import BinaryIO, Self

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
LAST_WORDS_BYTES = 2000


class ServerProcess:
    """A program that answers ``GET /health`` with 200 once it is ready; a context manager, which
    starts it and ends it."""

    def __init__(
        self, name: str, command: Sequence[str], port: int, env: Mapping[str, str] | None = None
    ) -> None:
        """``env``: its whole environment; None: ours."""
        self.name = name
        self.port = port
        self._command = list(command)
        self._env = None if env is None else dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Start it and wait until its model is loaded; raises `RuntimeError` with its last words
        when that fails."""
        self._log = tempfile.TemporaryFile()  # closed in _end
        self._process = subprocess.Popen(
            self._command, stdout=self._log, stderr=self._log, env=self._env
        )
        try:
            self._wait_until_healthy(self._process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._end()

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit and process.poll() is None:
            if self._is_healthy():
                return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"{self.name} did not start:\n{self._last_words()}")

    def _is_healthy(self) -> bool:
        """False while it does not listen yet, or answers 503 while the model loads."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=START_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == http.client.OK
            except (OSError, http.client.HTTPException):
                return False

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read()[-LAST_WORDS_BYTES:].decode("utf-8", "replace")

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._log is not None:
            self._log.close()


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
