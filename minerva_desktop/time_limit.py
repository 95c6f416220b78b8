"""Ends Python code that goes on for too long, in its own thread."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

AGAIN_SECONDS = 0.05  # after one that was lost
MAX_RAISED = 20


class _Limit:
    """One timed block of one thread."""

    def __init__(self, seconds: float, error: type[Exception]) -> None:
        self._error = error
        self._thread = threading.get_ident()
        self._over = threading.Event()
        self.expired = False
        self._watcher = threading.Thread(target=self._watch, args=(seconds,), daemon=True)
        self._watcher.start()

    def _watch(self, seconds: float) -> None:
        wait = seconds
        for _ in range(MAX_RAISED):
            if self._over.wait(wait):
                return
            self.expired = True
            self._raise_later(ctypes.py_object(self._error))
            wait = AGAIN_SECONDS

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


@contextmanager
def time_limit(seconds: float, error: type[Exception]) -> Iterator[None]:
    """Raise ``error``, which the interpreter makes without a message, in the block when it takes
    longer than ``seconds``.

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
