"""What can be seen of a `ModelPool` without changing anything. On its loop."""

from __future__ import annotations

from pathlib import Path
from typing import Generic

from minerva_desktop.devices.device_list import Holdings
from minerva_desktop.devices.ledgers import Needs, added
from minerva_desktop.engine.pool_entries import EngineT, Entries


class PoolView(Generic[EngineT]):
    """The models of a pool, as they are at this moment."""

    def __init__(self, entries: Entries[EngineT]) -> None:
        self._entries = entries

    def loaded(self) -> list[Path]:
        """Models that are ready, the most recently used first."""
        ready = [item for item in self._entries.known.items() if item[1].engine.is_loaded()]
        return [path for path, _ in sorted(ready, key=lambda item: -item[1].last_used)]

    def loaded_engine(self, path: Path) -> EngineT | None:
        """The engine of a model that is ready, as it is; None otherwise. Not leased."""
        entry = self._entries.known.get(path)
        return entry.engine if entry is not None and entry.engine.is_loaded() else None

    def n_ctx_alone(self, path: Path) -> int | None:
        """The context in tokens that a loaded model would have if no other one had held memory
        when it was loaded; None where that is no longer than the one that it has."""
        entry = self._entries.known.get(path)
        return None if entry is None else entry.n_ctx_alone

    def held(self, path: Path) -> Needs:
        """Bytes by device that the ledgers count for a model, until its process has ended."""
        return added(*(entry.held for entry in self._entries.every() if entry.path == path))

    def holdings(self) -> Holdings:
        """What each model holds, and which are about to change that."""
        return self._entries.holdings()

    def placed(self) -> Needs:
        """Bytes by device, as llama.cpp names them, that all models hold together or are about to
        take."""
        return self._entries.placed()

    def is_in_use(self, path: Path) -> bool:
        """Whether anyone leases it now."""
        entry = self._entries.known.get(path)
        return entry is not None and entry.leases > 0

    def pids(self) -> list[int]:
        """Process ids of the engine children, those on their way out too."""
        pids = [entry.engine.pid for entry in self._entries.every()]
        return [pid for pid in pids if pid is not None]

    def is_pinned(self, path: Path) -> bool:
        """Whether `pin` keeps it."""
        return path in self._entries.pinned
