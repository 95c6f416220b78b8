"""Ends Python code that goes on for too long, in its own thread."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BUSY = 10  # times the limit, that a block may take at most where a busy machine is to blame
LEAST_WAIT = 0.01  # seconds between two looks
LOOK_SECONDS = 0.1  # between two questions whether what a block does is wanted
AGAIN_SECONDS = 0.05  # after one that was lost
MAX_RAISED = 20


class _Limit:
    """One timed block of one thread."""

    def __init__(
        self, seconds: float, error: type[Exception], is_wanted: Callable[[], bool] | None
    ) -> None:
        self._error = error
        self._is_wanted = is_wanted
        self._thread = threading.get_ident()
        # Bare locks, taken until there is what they stand for: an error that is raised within an
        # `Event`, which is Python code, leaves the lock of that taken for good.
        self._begun, self._over, self._watched = (threading.Lock() for _ in range(3))
        for lock in (self._begun, self._over, self._watched):
            lock.acquire()
        self._is_begun = self._is_watched = False
        self._n_raised = 0
        self._watcher = threading.Thread(target=self._watch, args=(seconds,), daemon=True)

    def begin(self) -> None:
        """The time runs from now on; it may be up before this returns. Raises `MemoryError` where
        the system gives no thread to watch it."""
        try:
            self._watcher.start()  # whole: what is raised half-way upsets `threading` itself
        except RuntimeError as error:
            raise MemoryError(str(error)) from error
        self._is_begun = True
        self._begun.release()

    def _watch(self, seconds: float) -> None:
        self._begun.acquire()
        try:
            while not self._is_over_within(seconds) and self._n_raised < MAX_RAISED:
                self._n_raised += 1
                self._raise_later(ctypes.py_object(self._error))
                seconds = AGAIN_SECONDS
        finally:
            self._is_watched = True
            self._watched.release()

    def _is_over_within(self, seconds: float) -> bool:
        """Wait until the thread has had ``seconds`` more, or is not wanted to go on; whether the
        block was over before."""
        spent, latest = _spent(self._thread), time.monotonic() + BUSY * seconds
        wait = seconds
        while wait > 0:
            look = wait if self._is_wanted is None else min(wait, LOOK_SECONDS)
            if self._over.acquire(timeout=look):
                return True
            if self._is_wanted is not None and not self._is_wanted():
                return False
            left = seconds + spent - _spent(self._thread)
            wait = min(max(left, LEAST_WAIT) if left > 0 else 0, latest - time.monotonic())
        return False

    @property
    def expired(self) -> bool:
        """Whether the time was up."""
        return self._n_raised > 0

    def end(self) -> None:
        """No more raising; what was not raised yet is taken back."""
        while True:
            try:  # around all of it, and no `suppress`: any call may be where it is raised
                if self._over.locked():
                    self._over.release()
                # Not `join`, which forgets a thread where it is cut short.
                while self._is_begun and not self._is_watched:
                    self._watched.acquire(timeout=AGAIN_SECONDS)
                self._raise_later(None)
            except self._error:
                continue
            return

    def _raise_later(self, error: ctypes.py_object[type[Exception]] | None) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), error)


def _spent(thread: int) -> float:
    """The processor's seconds that a thread has had, where the system tells; else those that went
    by."""
    if sys.platform != "linux":
        return time.monotonic()
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


@contextmanager
def time_limit(
    seconds: float, error: type[Exception], is_wanted: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Raise ``error``, which the interpreter makes without a message, in the block when it takes
    longer than ``seconds``: of a processor, on Linux, so that what is quick is not ended where the
    machine is busy, as it is while a model answers; at most `BUSY` times as long.
    Also soon after ``is_wanted``, which is called on a thread of its own, says no.
    Raises `MemoryError`, before the block, where there is none for that thread.

    Works for pure Python code, on any thread and every platform: the interpreter can be asked to
    raise in another thread between two of its instructions. It is asked again as long as the block
    goes on: where a generator is being closed, or garbage collected, it ignores what is raised.
    (`sys.settrace` can do the same, and made Python 3.11 hang for good in a long test run.)
    """
    limit = _Limit(seconds, error, is_wanted)
    try:
        try:
            limit.begin()
            yield
        finally:
            limit.end()
    finally:  # it may be raised where the first one has not begun to hold it back
        limit.end()
    if limit.expired:  # too late to be raised inside
        raise error
