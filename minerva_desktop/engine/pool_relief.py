"""Gives memory back that other programs need, out of the models of a `ModelPool`.

On the pool's loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic

from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry
from minerva_desktop.engine.pool_events import GoneCause, MemoryTrimmed, ModelGone
from minerva_desktop.errors import MinervaError, OutOfMemory

_log = logging.getLogger(__name__)

# What is less is not worth a word, nor a look at whether it was enough.
WORTH_TRIMMING = 1 << 20
# A child answers between two of its steps, which are long ones with a large model.
TRIM_SECONDS = 5.0


class Relief(Generic[EngineT]):
    """First what only makes the next answers quicker, then idle models."""

    def __init__(
        self,
        entries: Entries[EngineT],
        retire: Callable[[Entry[EngineT], ModelGone], object],
        tell: Callable[[MemoryTrimmed], None],
    ) -> None:
        """``retire`` begins to unload a model, ``tell`` is told what was trimmed."""
        self._entries = entries
        self._retire = retire
        self._tell = tell

    async def trim(self, why: str) -> int:
        """Have all children give back system memory that they can do without; bytes in all, 0 where
        that is not worth a word. Those that do not answer in time give theirs back all the same,
        and are not counted."""
        ready = [entry for entry in self._entries.known.values() if entry.engine.is_loaded()]
        if not ready:
            return 0
        tasks = {entry.path: asyncio.ensure_future(self._trim(entry)) for entry in ready}
        done, late = await asyncio.wait(tasks.values(), timeout=TRIM_SECONDS)
        for task in late:
            task.cancel()
        freed = {path: n for path, task in tasks.items() if task in done and (n := task.result())}
        n_bytes = sum(freed.values())
        if n_bytes < WORTH_TRIMMING:
            return 0
        self._tell(MemoryTrimmed(tuple(freed), n_bytes, why))
        return n_bytes

    async def _trim(self, entry: Entry[EngineT]) -> int:
        try:
            return await entry.engine.trim()
        except MinervaError as error:  # it ended meanwhile, or has too much to do
            _log.info("%s gave no memory back: %s", entry.path.name, error.message)
            return 0

    def unload_one(self, device: str, why: str) -> Path | None:
        """As `ModelPool.relieve`."""
        if any(entry.held.get(device) for entry in self._entries.ending):
            return None
        entry = next((entry for entry in self._entries.idle() if entry.held.get(device)), None)
        if entry is None:
            return None
        reason = OutOfMemory(f"{entry.path.stem} was unloaded: {why}")
        _ = self._retire(entry, ModelGone(entry.path, reason, GoneCause.PRESSURE))
        return entry.path
