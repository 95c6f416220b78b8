"""`ModelPool`: the engines that are loaded, shared by the window and the HTTP endpoint.

All methods run on one asyncio loop, so that there are no locks but the one that lets loads make
room one after the other (`pool_room`): `runtime.Runtime` owns both. `pool_entries` keeps count.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from minerva_desktop.devices.ledgers import DeviceLedgers
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry, Patience, unforeseen
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    LoadPlan,
    ModelGone,
    ModelLoading,
    ModelReady,
    PoolEvent,
    Unloaded,
)
from minerva_desktop.engine.pool_files import ModelFiles
from minerva_desktop.engine.pool_idleness import ABANDONED_SECONDS, Idleness
from minerva_desktop.engine.pool_relief import Relief
from minerva_desktop.engine.pool_room import CheckStart, Choose, RoomMaker
from minerva_desktop.engine.pool_spare_time import SpareTime
from minerva_desktop.engine.pool_times import PoolTimes
from minerva_desktop.engine.pool_waiting import WaitingLoads
from minerva_desktop.errors import (
    AppReplaced,
    EngineDied,
    LoadCancelled,
    MinervaError,
    OutOfMemory,
)

_log = logging.getLogger(__name__)

# The model's file, and whom to tell when the loaded engine dies by itself.
EngineFactory = Callable[[Path, Callable[[EngineDied], None]], EngineT]


class ModelPool(PoolTimes[EngineT]):
    """Loads a model once however many ask, keeps it while it is leased, and makes room by bytes.

    Where a load needs memory that the ledgers' budgets do not have, models that nobody uses are
    unloaded, the least recently used first, and no more of them than it takes. A model that is
    leased, loading or pinned is never touched; one that is only used in `spare_time` is idle. One
    that is on its way out is gone for whoever asks for it, from the moment when that was decided;
    its memory counts until its process has ended, and a load that needs it waits for that. Where
    memory would suffice once running requests are over, a lease with `Patience` waits for that, too
    (`pool_waiting`); any other is refused. A load that fails leaves the pool as it was: what went
    for it is loaded again. A loaded model needs its file no more: where that is gone, it stays as
    it is until it is unloaded.
    """

    def __init__(
        self,
        make_engine: EngineFactory[EngineT],
        *,
        ledgers: DeviceLedgers,
        choose: Choose,
        check_start: CheckStart | None = None,
        options: LoadOptions | None = None,
        idle_seconds: float | None = None,
        abandoned_seconds: float = ABANDONED_SECONDS,
        on_event: Callable[[PoolEvent], None] | None = None,
        is_there: Callable[[Path], Awaitable[bool]] | None = None,
    ) -> None:
        """``check_start`` is asked before a loaded model goes for a load (None: nothing is);
        ``options`` are those of the next loads; a model that was not used for ``idle_seconds``
        is unloaded (None: never), and one that has been loading for nobody for
        ``abandoned_seconds`` is given up; ``on_event`` is called on the pool's loop; ``is_there``:
        whether a model's file could be loaded anew (None: whether it exists)."""
        entries: Entries[EngineT] = Entries(ledgers)
        super().__init__(entries, Idleness(entries, idle_seconds, self._expire, abandoned_seconds))
        self.options = options or LoadOptions()
        self.own_options: Mapping[Path, LoadOptions] = {}
        self._make_engine = make_engine
        self._ledgers = ledgers
        self._choose = choose
        self._on_event = on_event
        self._is_there = is_there or ModelFiles().is_there
        self._uses = itertools.count(1)
        self._waiting = WaitingLoads(self._entries, ledgers)
        self._check_start = check = check_start or _start_unchecked
        self._checking = asyncio.Lock()
        self._room = RoomMaker(self._entries, ledgers, choose, check, self._evict, self._waiting)
        self._relief = Relief(self._entries, self._retire, self._tell)
        self.spare_time = SpareTime(self._entries)
        self._background: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def ledgers(self) -> DeviceLedgers:
        """What the loaded models hold."""
        return self._ledgers

    # -- use -------------------------------------------------------------------------------

    @asynccontextmanager
    async def lease(
        self, path: Path, *, forced: bool = False, patience: Patience | None = None
    ) -> AsyncIterator[EngineT]:
        """The engine of ``path``, loaded if it was not, kept for as long as the block runs.

        A loaded, idle model whose options are no longer those of `options_of` is loaded again, if
        its file is still there. ``forced`` loads it beyond the budget, too, also where others wait
        for that load already. With ``patience`` it waits where running requests hold the memory;
        the load is given up when nobody waits for that any more.
        Raises `OutOfMemory` where the budget does not allow it, what `LlamaEngine.load` raises, and
        `LoadCancelled` after `cancel_load`.
        """
        with self.spare_time.leasing():
            may_reload = await self._may_reload(path)
            if patience is not None:
                await self._waiting.turn(path, patience)
        if self._closing:
            raise LoadCancelled(f"Loading {path.name} was cancelled: all models are unloaded")
        # No await before the lease counts: what decides that a model may go must never run between.
        entry = self._entry(path, forced=forced, may_reload=may_reload)
        entry.leases += 1
        entry.last_used = next(self._uses)
        entry.stop_timer()
        if patience is not None:
            self._waiting.join(entry, patience)
        try:
            # Shielded: one who stops waiting must not end the load for the others.
            await asyncio.shield(entry.load)
            yield entry.engine
        finally:
            entry.leases -= 1
            if patience is not None:
                entry.patient.remove(patience)
            self._on_left(entry)

    async def plan(self, path: Path, options: LoadOptions | None = None) -> LoadPlan:
        """What a lease of ``path`` would do now; with ``options``, what loading it with these would
        take. Raises `ModelNotFound`, `ModelLoadError` or `InvalidRequest`."""
        wanted = options or self.options_of(path)
        may_reload = await self._may_reload(path)
        entry = self._entries.known.get(path)
        if options is None and entry and not (may_reload and entry.is_outdated(wanted)):
            return LoadPlan(path, LoadChoice(entry.options, {}), (), 0, {})
        choice = await self._choose(path, wanted, self._entries.kept(path))
        return self._entries.plan(path, choice)

    def options_of(self, path: Path) -> LoadOptions:
        """Those of the next load of a model: its own out of `own_options`, or those of all."""
        return self.own_options.get(path, self.options)

    # -- what a person decides -------------------------------------------------------------

    def pin(self, path: Path, *, pinned: bool) -> None:
        """Keep a model however long it is idle and whatever is loaded, or no longer."""
        if pinned:
            self._entries.pinned.add(path)
        else:
            self._entries.pinned.discard(path)
            self._idleness.watch_path(path)
        self._waiting.look_again()  # there may be room now, or none ever

    def relieve(self, device: str, why: str) -> Path | None:
        """Begin to unload the idle model that was not used for longest, of those that hold memory
        of ``device`` (a ledger's name), which is short: ``why`` says so, in half a sentence.
        Returns which one; None when none may go, or one is on its way out already."""
        return self._relief.unload_one(device, why)

    async def trim(self, why: str) -> int:
        """Have all children give back system memory that only makes the next answers quicker;
        ``why`` is as in `relieve`. Bytes in all; 0 where it is not worth a word."""
        return await self._relief.trim(why)

    def let_park(self, *, allowed: bool) -> None:
        """Whether models may use memory that no ledger counts, to be quicker."""
        self._entries.let_park(allowed)

    def look_again(self) -> None:
        """Models may take more memory than before: let the loads that wait see."""
        self._waiting.look_again()

    def cancel_load(self, path: Path) -> None:
        """Give up a load that runs; no-op otherwise."""
        entry = self._entries.known.get(path)
        if entry is not None:
            entry.give_up()

    async def unload(self, path: Path) -> None:
        """End a model's process, also when it is in use, and wait until it is gone; idempotent."""
        entry = self._entries.known.get(path)
        if entry is not None:
            _ = self._retire(entry, ModelGone(path))
        await self._ended(path)

    async def close(self) -> None:
        """End every child."""
        self._closing = True
        while self._entries.known or self._background:
            for entry in list(self._entries.known.values()):
                _ = self._retire(entry, ModelGone(entry.path))
            await asyncio.wait(self._background)

    # -- loading ---------------------------------------------------------------------------

    def _entry(self, path: Path, *, forced: bool, may_reload: bool) -> Entry[EngineT]:
        options = self.options_of(path)
        entry = self._entries.known.get(path)
        if entry is None:
            return self._start_load(path, options, forced=forced)
        if may_reload and entry.is_outdated(options):
            _ = self._retire(entry, ModelGone(path))
            anew = self._start_load(path, options, forced=forced)
            if entry.is_ready:
                anew.went.append(entry)
            return anew
        if forced and not entry.is_ready:
            entry.forced = True
            self._waiting.look_again()
        return entry

    async def _may_reload(self, path: Path) -> bool:
        """Whether a model that was loaded with other options than those it would get now could be
        loaded with these. Asks the disk, and a new process, only for such a one."""
        entry = self._entries.known.get(path)
        if entry is None or entry.options == self.options_of(path):
            return False
        if not await self._is_there(path):
            return False
        async with self._checking:  # many requests may come at once, and one process tells them all
            entry = self._entries.known.get(path)
            try:
                if entry is not None and entry.is_outdated(self.options_of(path)):
                    await self._check_start(path)
            except AppReplaced:
                return False
        return True

    def _start_load(self, path: Path, options: LoadOptions, *, forced: bool) -> Entry[EngineT]:
        entry: Entry[EngineT] = Entry(path, options, forced)
        entry.engine = self._make_engine(path, lambda death: self._on_death(entry, death))
        entry.begin(asyncio.create_task(self._load(entry)))
        self._entries.known[path] = entry
        return entry

    async def _load(self, entry: Entry[EngineT]) -> ContextInfo:
        entry.has_begun = True
        name = entry.path.name
        try:
            return await self._load_engine(entry)
        except asyncio.CancelledError:
            await self._undo(entry, None)
            raise LoadCancelled(f"Loading {name} was cancelled") from None
        except MinervaError as error:
            await self._undo(entry, error)
            raise
        except Exception as error:
            failure = unforeseen(name, error)
            await self._undo(entry, failure)
            raise failure from error

    async def _load_engine(self, entry: Entry[EngineT]) -> ContextInfo:
        if entry.is_given_up:
            raise asyncio.CancelledError
        path, engine = entry.path, entry.engine
        self._tell(ModelLoading(path, 0.0))
        if await self._ended(path):
            self._tell(ModelLoading(path, 0.0))  # the last that was told is that it went
        choice = await self._room.make(entry)
        began = time.monotonic()
        info = await engine.load(
            options=choice.options,
            on_progress=lambda fraction: self._tell(ModelLoading(path, fraction)),
        )
        seconds = time.monotonic() - began
        if not engine.is_loaded():
            raise EngineDied(f"The engine that ran {path.name} stopped as soon as it was loaded")
        choice = replace(choice, warnings=(*choice.warnings, *info.warnings))
        entry.is_ready = True
        self._entries.settle(entry, choice, info)
        self._idleness.watch(entry)  # who asked for it may have left
        self._waiting.look_again()
        gone = [Unloaded(other.path, other.n_freed) for other in entry.went if other.path != path]
        entry.went.clear()
        pid, back = engine.pid or 0, entry.is_back
        self._tell(ModelReady(path, info, pid, choice, tuple(gone), back, seconds))
        return info

    def _evict(self, goes: Entry[EngineT], entry: Entry[EngineT]) -> asyncio.Task[None]:
        entry.went.append(goes)
        gone = ModelGone(goes.path, cause=GoneCause.ROOM, room_for=entry.path)
        return self._retire(goes, gone)

    async def _undo(self, entry: Entry[EngineT], error: MinervaError | None) -> None:
        """After a load that came to nothing (given up, if there is no error): end its process, and
        load again what went for it."""
        if isinstance(error, OutOfMemory) and not (entry.leases or entry.is_back):
            error = None  # who wanted it has left: nobody was refused
        if entry.end is None:
            is_lost = entry.is_back and not entry.leases  # nobody else would say so
            cause = GoneCause.LOST if is_lost else GoneCause.FAILED
            gone = ModelGone(entry.path, error, GoneCause.ASKED if error is None else cause)
            await asyncio.shield(self._retire(entry, gone, from_load=True))
        went, entry.went = entry.went, []
        for other in went:
            if not self._closing and other.path not in self._entries.known:
                again = self._start_load(other.path, other.options, forced=False)
                again.last_used, again.is_back = other.last_used, True
                again.excess = other.excess if other.forced else {}
                self._idleness.watch(again)

    # -- ends ------------------------------------------------------------------------------

    def _on_left(self, entry: Entry[EngineT]) -> None:
        """A lease ended."""
        if self._waiting.holds(entry) and not entry.patient:
            if entry.leases:
                self._waiting.look_again()  # the others do not wait: they are refused
            else:
                _ = self._retire(entry, ModelGone(entry.path))
        elif not entry.leases:
            self._idleness.watch(entry)
            self._waiting.look_again()

    def _retire(
        self, entry: Entry[EngineT], event: ModelGone, *, from_load: bool = False
    ) -> asyncio.Task[None]:
        """Begin to end a model, unless that goes on already. No lease gets it any more, from this
        very turn of the loop on: the task itself only runs in a later one."""
        if entry.end is None:
            self.spare_time.end(entry)
            self._entries.retire(entry)
            entry.end = asyncio.create_task(self._end(entry, event, from_load=from_load))
            self._background.add(entry.end)
            entry.end.add_done_callback(self._background.discard)
        return entry.end

    async def _end(self, entry: Entry[EngineT], event: ModelGone, *, from_load: bool) -> None:
        """End an entry's process; its memory counts until that is gone. Called by its own load
        (``from_load``), it does not wait for the end of that."""
        try:
            if not from_load:
                entry.give_up()
                await asyncio.wait([entry.load])
            await entry.engine.unload()
        except Exception:  # noqa: BLE001 - the top of a task; the model is forgotten all the same
            _log.exception("The engine of %s could not be ended in good order", entry.path.name)
        finally:
            self._finish(entry, event)

    async def _ended(self, path: Path) -> bool:
        """Wait for the end of each process of ``path`` that is on its way out; whether one was."""
        ends = [e.end for e in self._entries.ending if e.path == path and e.end is not None]
        if ends:
            await asyncio.wait(ends)
        return bool(ends)

    def _on_death(self, entry: Entry[EngineT], death: EngineDied) -> None:
        _log.warning("%s: %s", entry.path.name, death.message)
        if death.detail:
            _log.info("What that process wrote: %s", death.detail)  # why it ended, for the log file
        self._finish(entry, ModelGone(entry.path, death, GoneCause.FAILED))

    def _finish(self, entry: Entry[EngineT], event: ModelGone) -> None:
        """Give the memory back and tell, once."""
        n_freed = self._entries.drop(entry)
        self._waiting.look_again()
        if not entry.is_over:
            entry.is_over, entry.n_freed = True, n_freed
            self._tell(replace(event, n_freed=n_freed))

    def _expire(self, entry: Entry[EngineT]) -> None:
        cause = GoneCause.ASKED if entry.goes_when_idle else GoneCause.IDLE
        _ = self._retire(entry, ModelGone(entry.path, cause=cause))

    def _tell(self, event: PoolEvent) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - who listens must not decide whether a model is loaded
            _log.exception("A listener failed to take %s", type(event).__name__)


async def _start_unchecked(path: Path) -> None:
    """For a pool whose engines start no processes."""
