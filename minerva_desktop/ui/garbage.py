"""Python's cyclic garbage collection, on the window's thread only.

Left to itself the collector runs on whichever thread happens to allocate, and there are several
beside the window's. A QObject that it destroys on a foreign thread cannot stop its timers, and the
next of them crashes the process (seen: SIGSEGV in QTimerInfoList::activateTimers).
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer, Slot

LOOK_MS = 1000


class MainThreadGarbage(QObject):
    """Collects from a timer, from `start` until `stop`. Main thread."""

    def __init__(self, parent: QObject | None = None, *, freezes: bool = True) -> None:
        """``freezes``: what is alive at the start (modules, mostly) is not looked at again until
        the stop, which keeps a full collection at a few milliseconds. A process that has frozen
        all but the window says no, and what it has frozen stays so."""
        super().__init__(parent)
        self._freezes = freezes
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._collect)

    def start(self) -> None:
        """Take collection over."""
        gc.collect()
        if self._freezes:
            gc.freeze()
        gc.disable()
        self._timer.start()

    def stop(self) -> None:
        """Collect once more and give collection back to Python."""
        self._timer.stop()
        gc.collect()
        if self._freezes:
            gc.unfreeze()
        gc.enable()

    @Slot()
    def _collect(self) -> None:
        # As Python itself does it: each generation when its own count is over its threshold.
        counts, thresholds = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if counts[generation] > thresholds[generation]:
                gc.collect(generation)
                return
