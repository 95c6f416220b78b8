"""When the models of a `ModelPool` have been idle for so long that they are unloaded, or have
been loading for nobody.

On the pool's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic

from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry

# For so long a load goes on that nobody waits for any more: for the next who asks. It may never end
# (a disk that hangs, a network's), and its memory counts meanwhile.
ABANDONED_SECONDS = 600.0


class Idleness(Generic[EngineT]):
    """Runs a timer for each model that nobody uses. Pinned models have one too, which does nothing
    at its end."""

    def __init__(
        self,
        entries: Entries[EngineT],
        seconds: float | None,
        on_end: Callable[[Entry[EngineT]], None],
        abandoned_seconds: float = ABANDONED_SECONDS,
    ) -> None:
        """``seconds``: how long a model may be idle (None: for ever); ``abandoned_seconds``: how
        long it may load for nobody; ``on_end`` gets the one that was either, and may go."""
        self._entries = entries
        self._seconds = seconds
        self._abandoned_seconds = abandoned_seconds
        self._on_end = on_end
        self.own_seconds: dict[Path, float | None] = {}

    @property
    def seconds(self) -> float | None:
        """The time to live of all models that have none of their own."""
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float | None) -> None:
        self._seconds = seconds
        for path in list(self._entries.known):
            self.watch_path(path)

    def watch_path(self, path: Path) -> None:
        """Begin to count anew for a model, if there is one."""
        entry = self._entries.known.get(path)
        if entry is not None:
            self.watch(entry)

    def watch(self, entry: Entry[EngineT]) -> None:
        """Begin to count, if nobody uses it."""
        entry.stop_timer()
        seconds: float | None = self._abandoned_seconds
        if entry.is_ready:
            seconds = self.own_seconds.get(entry.path, self._seconds)
        if entry.goes_when_idle:
            seconds = 0.0
        if self._is_known(entry) and entry.leases == 0 and seconds is not None:
            loop = asyncio.get_running_loop()
            entry.idle_timer = loop.call_later(seconds, self._end, entry)

    def _end(self, entry: Entry[EngineT]) -> None:
        is_unwanted = entry.goes_when_idle or not entry.is_ready
        may_go = (entry.leases == 0 and is_unwanted) or self._entries.may_go(entry)
        if self._is_known(entry) and may_go:
            self._on_end(entry)

    def _is_known(self, entry: Entry[EngineT]) -> bool:
        return self._entries.known.get(entry.path) is entry
