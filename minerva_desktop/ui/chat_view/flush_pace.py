"""How often the transcript looks at what a stream brought. Main thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

FLUSH_MS = 33  # between two looks at what a stream brought
SLOW_FLUSH_MS = 250  # at most, where one look takes long or nobody sees it
BACKLOG_MS = 4  # before the next slice of work that is left over
SLICE_SECONDS = 0.005  # of work; placing and painting what was made take as long again
HEAVY_SECONDS = 0.012  # a flush that takes longer makes the next one wait longer
LIGHT_FLUSHES = 10  # in a row, until the wait gets shorter again


class FlushPace:
    """``interval`` is the time from one flush to the next, in ms."""

    def __init__(self, parent: QObject, flush: Callable[[], None]) -> None:
        """``flush`` does it."""
        self.interval = FLUSH_MS
        self._n_light = 0
        self._flushed_at = 0.0
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(flush)

    def ask(self, *, is_hidden: bool) -> None:
        """Flush at once after a pause, else when the interval is over; nobody sees it where
        ``is_hidden``."""
        if not self._timer.isActive():
            passed = 1000 * (time.perf_counter() - self._flushed_at)
            wait = (SLOW_FLUSH_MS if is_hidden else self.interval) - passed
            self._timer.start(max(0, round(wait)))

    def flushed(self, started: float, *, goes_on: bool) -> None:
        """One is over that ``started`` then: flush less often where that is expensive.
        ``goes_on``: work is left over."""
        self._flushed_at = time.perf_counter()
        if goes_on:
            self._timer.start(BACKLOG_MS)
        if self._flushed_at - started > HEAVY_SECONDS:
            self._n_light = 0
            self.interval = min(SLOW_FLUSH_MS, 2 * self.interval)
            return
        self._n_light += 1
        if self._n_light >= LIGHT_FLUSHES:
            self._n_light = 0
            self.interval = max(FLUSH_MS, self.interval // 2)
