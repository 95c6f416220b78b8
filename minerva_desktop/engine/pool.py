"""`ModelPool`: the engines that are loaded, shared by the window and the HTTP endpoint.

All methods run on one asyncio loop, so that there are no locks but the one that lets loads make
room one after the other: `runtime.Runtime` owns both.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic

from minerva_desktop.devices.ledgers import DeviceLedgers, Needs
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    LoadPlan,
    ModelGone,
    ModelLoading,
    ModelReady,
    PoolEvent,
)
from minerva_desktop.errors import EngineDied, LoadCancelled, MinervaError

# The model's file, and whom to tell when the loaded engine dies by itself.
EngineFactory = Callable[[Path, Callable[[EngineDied], None]], EngineT]
# How a model is best loaded, given what the models that have to stay hold; raises
# `ModelLoadError` or `ModelNotFound`.
Choose = Callable[[Path, LoadOptions, Needs], Awaitable[LoadChoice]]


class ModelPool(Generic[EngineT]):
    """Loads a model once however many ask, keeps it while it is leased, and makes room by bytes.

    Where a load needs memory that the ledgers' budgets do not have, models that nobody uses are
    unloaded, the least recently used first, and no more of them than it takes. A model that is
    leased, loading or pinned is never touched. A load that fails leaves the pool as it was: what
    went for it is loaded again.
    """

    def __init__(
        self,
        make_engine: EngineFactory[EngineT],
        *,
        ledgers: DeviceLedgers,
        choose: Choose,
        options: LoadOptions | None = None,
        idle_seconds: float | None = None,
        on_event: Callable[[PoolEvent], None] | None = None,
    ) -> None:
        """``options`` are those of the next loads; a model that was not used for ``idle_seconds``
        is unloaded (None: never); ``on_event`` is called on the pool's loop."""
        self.options = options or LoadOptions()
        self.idle_seconds = idle_seconds
        self._make_engine = make_engine
        self._ledgers = ledgers
        self._choose = choose
        self._on_event = on_event
        self._entries: Entries[EngineT] = Entries(ledgers)
        self._own_idle_seconds: dict[Path, float | None] = {}
        self._uses = itertools.count(1)
        self._making_room = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def ledgers(self) -> DeviceLedgers:
        """What the loaded models hold."""
        return self._ledgers

    # -- use -------------------------------------------------------------------------------

    @asynccontextmanager
    async def lease(self, path: Path, *, forced: bool = False) -> AsyncIterator[EngineT]:
        """The engine of ``path``, loaded if it was not, kept for as long as the block runs.

        A loaded, idle model whose options are no longer `options` is loaded again. ``forced`` loads
        it beyond the budget, too. Raises `OutOfMemory` where the budget does not allow it, what
        `LlamaEngine.load` raises, and `LoadCancelled` after `cancel_load`.
        """
        entry = await self._entry(path, forced=forced)
        entry.leases += 1
        entry.last_used = next(self._uses)
        if entry.idle_timer is not None:
            entry.idle_timer.cancel()
        try:
            # Shielded: one who stops waiting must not end the load for the others.
            await asyncio.shield(entry.load)
            yield entry.engine
        finally:
            entry.leases -= 1
            self._watch_idleness(entry)

    async def plan(self, path: Path) -> LoadPlan:
        """What a lease of ``path`` would do now. Raises `ModelNotFound` or `ModelLoadError`."""
        entry = self._entries.known.get(path)
        if entry is not None and (entry.options == self.options or entry.leases):
            return LoadPlan(path, LoadChoice(entry.options, {}), (), 0, {})
        choice = await self._choose(path, self.options, self._entries.kept(path))
        return self._entries.plan(path, choice)

    def loaded(self) -> list[Path]:
        """Models that are ready, the most recently used first."""
        ready = [item for item in self._entries.known.items() if item[1].engine.is_loaded()]
        return [path for path, _ in sorted(ready, key=lambda item: -item[1].last_used)]

    def loaded_engine(self, path: Path) -> EngineT | None:
        """The engine of a model that is ready, as it is; None otherwise. Not leased."""
        entry = self._entries.known.get(path)
        return entry.engine if entry is not None and entry.engine.is_loaded() else None

    def held(self, path: Path) -> Needs:
        """Bytes by device that the ledgers count for a model."""
        entry = self._entries.known.get(path)
        return {} if entry is None else entry.held

    def is_in_use(self, path: Path) -> bool:
        """Whether anyone leases it now."""
        entry = self._entries.known.get(path)
        return entry is not None and entry.leases > 0

    def pids(self) -> list[int]:
        """Process ids of the engine children."""
        pids = [entry.engine.pid for entry in self._entries.known.values()]
        return [pid for pid in pids if pid is not None]

    # -- what a person decides -------------------------------------------------------------

    def pin(self, path: Path, *, pinned: bool) -> None:
        """Keep a model however long it is idle and whatever is loaded, or no longer."""
        if pinned:
            self._entries.pinned.add(path)
        else:
            self._entries.pinned.discard(path)
            self._watch_all(path)

    def is_pinned(self, path: Path) -> bool:
        """Whether `pin` keeps it."""
        return path in self._entries.pinned

    def set_idle_seconds(self, path: Path, seconds: float | None) -> None:
        """Another time to live for one model; None: it stays."""
        self._own_idle_seconds[path] = seconds
        self._watch_all(path)

    def reset_idle_seconds(self, path: Path) -> None:
        """The time to live of all the others again."""
        self._own_idle_seconds.pop(path, None)
        self._watch_all(path)

    @property
    def own_idle_seconds(self) -> Mapping[Path, float | None]:
        """The times to live that `set_idle_seconds` gave."""
        return MappingProxyType(self._own_idle_seconds)

    def relieve(self, reason: MinervaError) -> Path | None:
        """Begin to unload the idle model that was not used for longest, because other programs
        need its memory: ``reason`` says how much. Returns which one; None when none may go."""
        idle = self._entries.idle()
        if not idle:
            return None
        entry = idle[0]
        gone = ModelGone(entry.path, reason, GoneCause.PRESSURE)
        _ = self._in_background(self._end(entry, gone))
        return entry.path

    def cancel_load(self, path: Path) -> None:
        """Give up a load that runs; no-op otherwise."""
        entry = self._entries.known.get(path)
        if entry is not None:
            entry.load.cancel()

    async def unload(self, path: Path) -> None:
        """End a model's process, also when it is in use; idempotent."""
        entry = self._entries.known.get(path)
        if entry is not None:
            await self._end(entry, ModelGone(path))

    async def close(self) -> None:
        """End every child."""
        self._closing = True
        while self._entries.known or self._background:
            await asyncio.gather(*(self.unload(path) for path in list(self._entries.known)))
            if self._background:
                await asyncio.wait(self._background)

    # -- loading ---------------------------------------------------------------------------

    async def _entry(self, path: Path, *, forced: bool) -> Entry[EngineT]:
        entry = self._entries.known.get(path)
        if entry is not None and entry.leases == 0 and entry.options != self.options:
            await self.unload(path)
            entry = self._entries.known.get(path)
        if entry is None:
            entry = self._start_load(path, self.options, forced=forced)
        return entry

    def _start_load(self, path: Path, options: LoadOptions, *, forced: bool) -> Entry[EngineT]:
        entry: Entry[EngineT] = Entry(path, options, forced)
        entry.engine = self._make_engine(path, lambda death: self._on_death(entry, death))
        entry.load = asyncio.create_task(self._load(entry))
        entry.load.add_done_callback(_retrieve)  # nobody may be left to wait for a failed load
        self._entries.known[path] = entry
        return entry

    async def _load(self, entry: Entry[EngineT]) -> ContextInfo:
        path, unloaded = entry.path, list[Entry[EngineT]]()
        self._tell(ModelLoading(path, 0.0))
        try:
            choice = await self._make_room(entry, unloaded)
            info = await entry.engine.load(
                options=choice.options,
                on_progress=lambda fraction: self._tell(ModelLoading(path, fraction)),
            )
        except asyncio.CancelledError:
            self._fail(entry, unloaded, None)
            raise LoadCancelled(f"Loading {path.name} was cancelled") from None
        except MinervaError as error:
            self._fail(entry, unloaded, error)
            raise
        self._entries.settle(entry, info)
        gone = tuple(other.path for other in unloaded)
        self._tell(ModelReady(path, info, entry.engine.pid or 0, choice, gone))
        return info

    async def _make_room(self, entry: Entry[EngineT], unloaded: list[Entry[EngineT]]) -> LoadChoice:
        """Take the model's memory from the ledgers, after as many others went as that needs;
        ``unloaded`` gets them. Returns how to load it."""
        async with self._making_room:
            choice = await self._choose(entry.path, entry.options, self._entries.kept(entry.path))
            while True:
                plan = self._entries.plan(entry.path, choice)
                if plan.missing and not entry.forced:
                    break
                goes = next((self._entries.known[path] for path in plan.unloads), None)
                if goes is None:
                    break
                unloaded.append(goes)
                gone = ModelGone(goes.path, cause=GoneCause.ROOM, room_for=entry.path)
                # Shielded: who gives up this load must not leave that one half-ended.
                await asyncio.shield(self._in_background(self._end(goes, gone)))
            self._entries.take(entry, choice)
            return choice

    # -- ends ------------------------------------------------------------------------------

    async def _end(self, entry: Entry[EngineT], event: ModelGone) -> None:
        """End an entry's process; its memory counts until that is gone."""
        self._entries.forget(entry)
        entry.load.cancel()
        await asyncio.wait([entry.load])
        await entry.engine.unload()
        self._finish(entry, event)

    def _fail(
        self,
        entry: Entry[EngineT],
        unloaded: list[Entry[EngineT]],
        error: MinervaError | None,
    ) -> None:
        self._entries.forget(entry)
        cause = GoneCause.ASKED if error is None else GoneCause.FAILED
        self._finish(entry, ModelGone(entry.path, error, cause))
        for other in unloaded:
            if not self._closing and other.path not in self._entries.known:
                self._start_load(other.path, other.options, forced=other.forced)

    def _on_death(self, entry: Entry[EngineT], death: EngineDied) -> None:
        self._entries.forget(entry)
        self._finish(entry, ModelGone(entry.path, death, GoneCause.FAILED))

    def _finish(self, entry: Entry[EngineT], event: ModelGone) -> None:
        """Give the memory back and tell, once."""
        if not entry.is_over:
            entry.is_over = True
            self._entries.give_back(entry)
            self._tell(event)

    # -- idleness --------------------------------------------------------------------------

    def _watch_all(self, path: Path) -> None:
        entry = self._entries.known.get(path)
        if entry is not None:
            self._watch_idleness(entry)

    def _watch_idleness(self, entry: Entry[EngineT]) -> None:
        """Start the time to live of a model that nobody uses any more."""
        if entry.idle_timer is not None:
            entry.idle_timer.cancel()
        seconds = self._own_idle_seconds.get(entry.path, self.idle_seconds)
        if not entry.is_over and entry.leases == 0 and seconds is not None:
            loop = asyncio.get_running_loop()
            entry.idle_timer = loop.call_later(seconds, self._expire, entry)

    def _expire(self, entry: Entry[EngineT]) -> None:
        is_known = self._entries.known.get(entry.path) is entry
        if is_known and self._entries.may_go(entry):
            gone = ModelGone(entry.path, cause=GoneCause.IDLE)
            _ = self._in_background(self._end(entry, gone))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _tell(self, event: PoolEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)


def _retrieve(load: asyncio.Task[ContextInfo]) -> None:
    if not load.cancelled():
        load.exception()
