"""`ModelPool`: the engines that are loaded, shared by the window and the HTTP endpoint.

All methods run on one asyncio loop, so that there are no locks: `runtime.Runtime` owns both.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.errors import LoadCancelled, MinervaError


@dataclass(frozen=True, slots=True)
class ModelLoading:
    """A load goes on; ``fraction`` 0.0 to 1.0."""

    path: Path
    fraction: float


@dataclass(frozen=True, slots=True)
class ModelReady:
    """A model is loaded, in process ``pid``."""

    path: Path
    info: ContextInfo
    pid: int


@dataclass(frozen=True, slots=True)
class ModelGone:
    """A model is no longer loaded (or failed to); ``error`` says why if nobody asked for it."""

    path: Path
    error: MinervaError | None = None


PoolEvent = ModelLoading | ModelReady | ModelGone


@dataclass(slots=True, eq=False)
class _Entry:
    engine: LlamaEngine
    options: LoadOptions
    load: asyncio.Task[ContextInfo]
    leases: int = 0
    last_used: int = 0


class ModelPool:
    """Loads a model once however many ask, keeps it while it is leased, and makes room.

    Before a load, models that nobody uses are unloaded, the least recently used first; a model
    with a lease is never touched.
    """

    def __init__(
        self,
        options: LoadOptions | None = None,
        *,
        on_event: Callable[[PoolEvent], None] | None = None,
    ) -> None:
        """``options`` are those of the next loads; ``on_event`` is called on the pool's loop."""
        self.options = options or LoadOptions()
        self._on_event = on_event
        self._entries: dict[Path, _Entry] = {}
        self._uses = itertools.count(1)

    @asynccontextmanager
    async def lease(self, path: Path) -> AsyncIterator[LlamaEngine]:
        """The engine of ``path``, loaded if it was not, kept for as long as the block runs.

        A loaded, idle model whose options are no longer `options` is loaded again. Raises what
        `LlamaEngine.load` raises, and `LoadCancelled` after `cancel_load`.
        """
        entry = await self._entry(path)
        entry.leases += 1
        entry.last_used = next(self._uses)
        try:
            # Shielded: one who stops waiting must not end the load for the others.
            await asyncio.shield(entry.load)
            yield entry.engine
        finally:
            entry.leases -= 1

    def loaded(self) -> list[Path]:
        """Models that are ready, the most recently used first."""
        ready = [item for item in self._entries.items() if item[1].engine.is_loaded()]
        return [path for path, _ in sorted(ready, key=lambda item: -item[1].last_used)]

    def loaded_engine(self, path: Path) -> LlamaEngine | None:
        """The engine of a model that is ready, as it is; None otherwise. Not leased."""
        entry = self._entries.get(path)
        return entry.engine if entry is not None and entry.engine.is_loaded() else None

    def pids(self) -> list[int]:
        """Process ids of the engine children."""
        pids = [entry.engine.pid for entry in self._entries.values()]
        return [pid for pid in pids if pid is not None]

    def cancel_load(self, path: Path) -> None:
        """Give up a load that runs; no-op otherwise."""
        entry = self._entries.get(path)
        if entry is not None:
            entry.load.cancel()

    async def unload(self, path: Path) -> None:
        """End a model's process, also when it is in use; idempotent."""
        entry = self._entries.pop(path, None)
        if entry is None:
            return
        entry.load.cancel()
        await asyncio.wait([entry.load])
        await entry.engine.unload()
        self._tell(ModelGone(path))

    async def close(self) -> None:
        """End every child."""
        await asyncio.gather(*(self.unload(path) for path in list(self._entries)))

    async def _entry(self, path: Path) -> _Entry:
        entry = self._entries.get(path)
        if entry is not None and entry.leases == 0 and entry.options != self.options:
            await self.unload(path)
            entry = self._entries.get(path)
        if entry is None:
            entry = self._start_load(path)
        return entry

    def _start_load(self, path: Path) -> _Entry:
        engine = LlamaEngine(path, on_death=lambda death: self._drop(path, engine, death))
        load = asyncio.create_task(self._load(path, engine, self.options))
        load.add_done_callback(_retrieve)  # nobody may be left to wait for a failed load
        entry = _Entry(engine, self.options, load)
        self._entries[path] = entry
        return entry

    async def _load(self, path: Path, engine: LlamaEngine, options: LoadOptions) -> ContextInfo:
        self._tell(ModelLoading(path, 0.0))
        try:
            await self._make_room(path)
            info = await engine.load(options=options, on_progress=self._progress_of(path))
        except asyncio.CancelledError:
            self._drop(path, engine)
            raise LoadCancelled(f"Loading {path.name} was cancelled") from None
        except MinervaError:
            self._drop(path, engine)
            raise
        self._tell(ModelReady(path, info, engine.pid or 0))
        return info

    def _progress_of(self, path: Path) -> Callable[[float], None]:
        return lambda fraction: self._tell(ModelLoading(path, fraction))

    async def _make_room(self, path: Path) -> None:
        idle = [
            other
            for other, entry in sorted(self._entries.items(), key=lambda item: item[1].last_used)
            if other != path and entry.leases == 0 and entry.load.done()
        ]
        for other in idle:
            entry = self._entries.get(other)  # anew: it may have found a use meanwhile
            if entry is not None and entry.leases == 0:
                await self.unload(other)

    def _drop(self, path: Path, engine: LlamaEngine, death: MinervaError | None = None) -> None:
        entry = self._entries.get(path)
        if entry is not None and entry.engine is engine:
            del self._entries[path]
        self._tell(ModelGone(path, death))

    def _tell(self, event: PoolEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)


def _retrieve(load: asyncio.Task[ContextInfo]) -> None:
    if not load.cancelled():
        load.exception()
