"""Uses of a model that nobody waits for, and that end as soon as anybody wants any model.

On the pool's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry
from minerva_desktop.errors import LoadCancelled, MinervaError


@dataclass(slots=True, eq=False)
class _Use(Generic[EngineT]):
    """One that runs: how to tell it to end, and whether it was told."""

    entry: Entry[EngineT]
    end: Callable[[], None]
    is_told: bool = False


class SpareTime(Generic[EngineT]):
    """No lease: a model that is used here alone is idle for the pool. It is unloaded, or loaded
    anew, as if nothing ran, and a use neither loads it nor lets it stay longer."""

    def __init__(self, entries: Entries[EngineT]) -> None:
        self._entries = entries
        self._uses: list[_Use[EngineT]] = []
        self._n_leasing = 0

    def engine(self, path: Path) -> EngineT | None:
        """The engine of a model that is loaded, while no model is in use, loads, or is about to be
        leased; None else."""
        entry = self._entry(path)
        return None if entry is None else entry.engine

    @contextmanager
    def use(self, path: Path, end: Callable[[], None]) -> Iterator[EngineT | None]:
        """What `engine` gives, for a block. ``end`` is called whenever somebody wants a model, or
        this one is unloaded: the block is to end soon then. A `MinervaError` that it ends in after
        that becomes `LoadCancelled`."""
        entry = self._entry(path)
        if entry is None:
            yield None
            return
        use = _Use(entry, end)
        self._uses.append(use)
        try:
            yield entry.engine
        except MinervaError as error:
            # Where its engine ended at once, the answer had no time to end as cancelled.
            if use.is_told:
                raise LoadCancelled(f"{path.name} had something else to do") from error
            raise
        finally:
            self._uses.remove(use)

    @contextmanager
    def leasing(self) -> Iterator[None]:
        """Somebody wants a model, and has it as soon as the block is over: uses end, and none
        begins before."""
        self._tell(self._uses)
        self._n_leasing += 1
        try:
            yield
        finally:
            self._n_leasing -= 1

    def end(self, entry: Entry[EngineT]) -> None:
        """That model is about to be unloaded."""
        self._tell([use for use in self._uses if use.entry is entry])

    def _entry(self, path: Path) -> Entry[EngineT] | None:
        models = self._entries.known
        is_quiet = not self._n_leasing and all(entry.is_idle for entry in models.values())
        entry = models.get(path) if is_quiet else None
        return entry if entry is not None and entry.engine.is_loaded() else None

    def _tell(self, uses: Sequence[_Use[EngineT]]) -> None:
        for use in [use for use in uses if not use.is_told]:
            use.is_told = True
            use.end()
