"""How often the transcript looks at what a stream brought. Main thread."""

from __future__ import annotations

FLUSH_MS = 33  # between two looks at what a stream brought
SLOW_FLUSH_MS = 250  # at most, where one look takes long or nobody sees it
HEAVY_SECONDS = 0.012  # a flush that takes longer makes the next one wait longer
LIGHT_FLUSHES = 10  # in a row, until the wait gets shorter again


class FlushPace:
    """``interval`` is the wait from one flush to the next, in ms."""

    def __init__(self) -> None:
        self.interval = FLUSH_MS
        self._n_light = 0

    def adapt(self, seconds: float) -> None:
        """A flush took so long: flush less often where that is expensive."""
        if seconds > HEAVY_SECONDS:
            self._n_light = 0
            self.interval = min(SLOW_FLUSH_MS, 2 * self.interval)
            return
        self._n_light += 1
        if self._n_light >= LIGHT_FLUSHES:
            self._n_light = 0
            self.interval = max(FLUSH_MS, self.interval // 2)
