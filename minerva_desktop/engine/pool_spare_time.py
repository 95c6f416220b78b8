"""Uses of a model that nobody waits for, and that end as soon as anybody wants any model.

On the pool's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic

from minerva_desktop.engine.pool_entries import EngineT, Entries


class SpareTime(Generic[EngineT]):
    """No lease: a model that is used here alone is idle for the pool. It is unloaded, or loaded
    anew, as if nothing ran, and a use neither loads it nor lets it stay longer."""

    def __init__(self, entries: Entries[EngineT]) -> None:
        self._entries = entries
        self._enders: list[Callable[[], None]] = []

    def engine(self, path: Path) -> EngineT | None:
        """The engine of a model that is loaded, while no model is in use or loads; None else."""
        models = self._entries.known
        is_quiet = all(entry.is_idle for entry in models.values())
        entry = models.get(path) if is_quiet else None
        return entry.engine if entry is not None and entry.engine.is_loaded() else None

    @contextmanager
    def use(self, path: Path, end: Callable[[], None]) -> Iterator[EngineT | None]:
        """What `engine` gives, for a block. ``end`` is called whenever somebody wants a model: the
        block is to end soon then."""
        engine = self.engine(path)
        if engine is None:
            yield None
            return
        self._enders.append(end)
        try:
            yield engine
        finally:
            self._enders.remove(end)

    def end(self) -> None:
        """Somebody wants a model."""
        for end in tuple(self._enders):
            end()
