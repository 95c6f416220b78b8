"""Finds an engine child that has gone silent: stopped, swapped out for good, or held up by a call
that does not let its other threads run.

Its reader thread answers a ping at once, whatever llama.cpp computes, so silence means that the
whole process stands still. A step that never ends is no silence: `Pong` tells how long it lasts,
and `EngineConnection` judges that. Used on the asyncio loop of its `LlamaEngine`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

BEAT_SECONDS = 1.0
# Beats without a sign of life. Several, because this loop may itself be held up while an answer
# waits in the pipe; many before the first one, when a cold disk has to give up the libraries.
MAX_MISSED = 8
MAX_MISSED_AT_START = 120


class Heartbeat:
    """Pings while something is expected of the child, and not otherwise: idle costs nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        ping: Callable[[], None],
        is_waiting: Callable[[], bool],
        on_silence: Callable[[float], None],
        has_begun: bool = False,
    ) -> None:
        """``on_silence`` gets the seconds since something was asked of the child in vain.
        ``has_begun``: it has said something before, so its libraries are there."""
        self._loop = loop
        self._ping = ping
        self._is_waiting = is_waiting
        self._on_silence = on_silence
        self._missed = 0
        self._asked_at = 0.0  # when the first of the beats that it missed was sent, by the loop
        self._limit = MAX_MISSED if has_begun else MAX_MISSED_AT_START
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Something was asked of the child: look after it until all is answered."""
        if self._timer is None:
            self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def heard(self) -> None:
        """The child said something."""
        self._missed, self._limit = 0, MAX_MISSED

    def stop(self) -> None:
        """The child is gone; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._timer = None
        if not self._is_waiting() and not self._missed:
            return
        if self._missed >= self._limit:
            self._on_silence(self._loop.time() - self._asked_at)
            return
        if not self._missed:
            self._asked_at = self._loop.time()
        self._missed += 1
        self._ping()
        self.watch()
