"""Ends Python code that goes on for too long, in its own thread."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BUSY = 10  # times the limit, that a block may take at most where a busy machine is to blame
LEAST_WAIT = 0.01  # seconds between two looks
AGAIN_SECONDS = 0.05  # after one that was lost
MAX_RAISED = 20


class _Limit:
    """One timed block of one thread."""

    def __init__(self, seconds: float, error: type[Exception]) -> None:
        self._error = error
        self._thread = threading.get_ident()
        self._over = threading.Event()
        self.expired = False
        self._spent_before = _spent(self._thread)
        self._watcher = threading.Thread(target=self._watch, args=(seconds,), daemon=True)
        self._watcher.start()

    def _watch(self, seconds: float) -> None:
        latest = time.monotonic() + BUSY * seconds
        wait = seconds
        while wait > 0:
            if self._over.wait(wait):
                return
            left = seconds + self._spent_before - _spent(self._thread)
            wait = min(max(left, LEAST_WAIT) if left > 0 else 0, latest - time.monotonic())
        for _ in range(MAX_RAISED):
            self.expired = True
            self._raise_later(ctypes.py_object(self._error))
            if self._over.wait(AGAIN_SECONDS):
                return

    def end(self) -> None:
        """No more raising; what was not raised yet is taken back."""
        while self._watcher.is_alive():
            with suppress(self._error):
                self._over.set()
                self._watcher.join()
        with suppress(self._error):
            self._raise_later(None)

    def _raise_later(self, error: ctypes.py_object[type[Exception]] | None) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), error)


def _spent(thread: int) -> float:
    """The processor's seconds that a thread has had, where the system tells; else those that went
    by."""
    if sys.platform != "linux":
        return time.monotonic()
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


@contextmanager
def time_limit(seconds: float, error: type[Exception]) -> Iterator[None]:
    """Raise ``error``, which the interpreter makes without a message, in the block when it takes
    longer than ``seconds``: of a processor, on Linux, so that what is quick is not ended where the
    machine is busy, as it is while a model answers; at most `BUSY` times as long.

    Works for pure Python code, on any thread and every platform: the interpreter can be asked to
    raise in another thread between two of its instructions. It is asked again as long as the block
    goes on: where a generator is being closed, or garbage collected, it ignores what is raised.
    (`sys.settrace` can do the same, and made Python 3.11 hang for good in a long test run.)
    """
    limit = _Limit(seconds, error)
    try:
        yield
    finally:
        limit.end()
    if limit.expired:  # too late to be raised inside
        raise error
