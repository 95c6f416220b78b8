"""How long the models of a `ModelPool` stay, as a person decides it. On its loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from minerva_desktop.engine.pool_entries import EngineT, Entries
from minerva_desktop.engine.pool_idleness import Idleness
from minerva_desktop.engine.pool_view import PoolView


class PoolTimes(PoolView[EngineT]):
    """The times to live of a pool's models."""

    def __init__(self, entries: Entries[EngineT], idleness: Idleness[EngineT]) -> None:
        super().__init__(entries)
        self._idleness = idleness

    @property
    def idle_seconds(self) -> float | None:
        """After how many seconds without use a model is unloaded; None: never."""
        return self._idleness.seconds

    @idle_seconds.setter
    def idle_seconds(self, seconds: float | None) -> None:
        self._idleness.seconds = seconds

    def set_idle_seconds(self, path: Path, seconds: float | None) -> None:
        """Another time to live for one model; None: it stays."""
        self._idleness.own_seconds[path] = seconds
        self._idleness.watch_path(path)

    def reset_idle_seconds(self, path: Path) -> None:
        """The time to live of all the others again."""
        self._idleness.own_seconds.pop(path, None)
        self._idleness.watch_path(path)

    @property
    def own_idle_seconds(self) -> Mapping[Path, float | None]:
        """The times to live that `set_idle_seconds` gave."""
        return MappingProxyType(self._idleness.own_seconds)

    def unload_when_idle(self, path: Path, *, wanted: bool = True) -> None:
        """Unload a loaded model, pinned or not, as soon as nobody uses it; not ``wanted``: no
        longer. It is there for whoever asks until then."""
        entry = self._entries.known.get(path)
        if entry is not None:
            entry.goes_when_idle = wanted
            self._idleness.watch(entry)
