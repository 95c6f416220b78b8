"""An end to a request that no server can put off; a limit of a socket begins anew with each byte.

Any thread; the one that waits for the end is the deadline's own.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

from minerva_desktop.errors import UpdateCheckFailed


class Deadline:
    """While it is entered: after ``seconds`` every connection made with `connect` is hung up,
    whatever speaks on it, and those who wait for it wait no more."""

    def __init__(self, seconds: float) -> None:
        """The time runs from here."""
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._is_over = False
        self._lock = threading.Lock()
        self._lines: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._timer.cancel()
        self._timer.join()
        for line in self._lines:
            line.close()
        self._lines.clear()

    def check(self) -> None:
        """Raises `UpdateCheckFailed` once the time is over."""
        if self._is_over or time.monotonic() >= self._end:
            raise UpdateCheckFailed(f"The answer took longer than {self._seconds:.0f} s")

    def connect(
        self, address: tuple[str, int], timeout: float, source: tuple[str, int] | None = None
    ) -> socket.socket:
        """As `socket.create_connection` (``timeout`` in seconds), with what is left of the time for
        all addresses of a name together. Raises `OSError`."""
        host, port = address
        failed: OSError = OSError(f"{host} has no address")
        for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                line = socket.create_connection(
                    (str(place[0]), port), min(timeout, left), source_address=source
                )
            except OSError as error:
                failed = error
                continue
            line.settimeout(timeout)
            self._watch(line)
            return line
        raise failed

    def _watch(self, line: socket.socket) -> None:
        with self._lock:
            if self._is_over:
                line.close()
                raise TimeoutError
            # A second handle: TLS takes the first one away while it shakes hands.
            self._lines.append(line.dup())

    def _hang_up(self) -> None:
        with self._lock:
            self._is_over = True
            for line in self._lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
