"""The models of a `ModelPool`: which there are, which may go, and what the ledgers count for each.

No events, and no tasks of its own: `pool` decides when something happens, and calls this on its
loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from minerva_desktop.devices.device_list import Holdings
from minerva_desktop.devices.ledgers import CPU, NOTHING, DeviceLedgers, Needs, added
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.memory_messages import MOST_PARKED_BYTES
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.pool_events import LoadChoice, LoadPlan, PooledEngine
from minerva_desktop.errors import MinervaError, ModelLoadError, OutOfMemory

_log = logging.getLogger(__name__)

EngineT = TypeVar("EngineT", bound=PooledEngine)


@dataclass(slots=True, eq=False)
class Patience:
    """Who leases with one waits for memory that running requests hold, instead of being refused.
    ``waits_for``: the models that were last in the way; empty: none, the load itself went on.
    ``on_change`` is called with each change of these, on the pool's loop."""

    waits_for: tuple[Path, ...] = ()
    on_change: Callable[[tuple[Path, ...]], None] | None = None

    def wait_for(self, models: tuple[Path, ...]) -> None:
        """These are in the way now."""
        if models == self.waits_for:
            return
        self.waits_for = models
        if self.on_change is None:
            return
        try:
            self.on_change(models)
        except Exception:  # noqa: BLE001 - others wait for the same load, or behind it
            _log.exception("A listener failed to take what a load waits for")


@dataclass(slots=True, eq=False)
class Entry(Generic[EngineT]):
    """A model from the beginning of its load to the end of its process.

    It is loading, then ready, then ending, then over; a load that fails skips what it did not
    reach. ``held`` counts until it is over.
    """

    path: Path
    options: LoadOptions
    forced: bool
    leases: int = 0
    last_used: int = 0
    held: Needs = field(default_factory=dict)  # bytes by ledger, as they were taken
    placed: Needs = field(default_factory=dict)  # by device: promised, then real
    n_ctx_alone: int | None = None  # as in `LoadChoice`, once it is loaded
    # By ledger: beyond its budget when this went, or may be so once it is back.
    excess: Needs = field(default_factory=dict)
    went: list[Entry[EngineT]] = field(default_factory=list)  # what was unloaded for it
    patient: list[Patience] = field(default_factory=list)  # who waits until there is room for it
    is_back: bool = False  # it was loaded before, and what it went for could not be
    has_begun: bool = False  # its load's task has run
    is_given_up: bool = False
    goes_when_idle: bool = False  # a person wants it unloaded, but nobody broken off
    is_ready: bool = False
    is_over: bool = False
    n_freed: int = 0  # bytes that its end gave back
    may_park: int = MOST_PARKED_BYTES  # bytes, as its engine was told last
    idle_timer: asyncio.TimerHandle | None = None
    engine: EngineT = field(init=False)
    load: asyncio.Task[ContextInfo] = field(init=False)
    end: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it is loaded, and nobody uses it."""
        return self.leases == 0 and self.is_ready

    @property
    def can_wait(self) -> bool:
        """Whether somebody waits for its memory, and nobody insists on it."""
        return bool(self.patient) and not self.forced

    def is_outdated(self, options: LoadOptions) -> bool:
        """Whether the next lease loads it anew with ``options``, if its file is there: it is idle,
        and was loaded with others."""
        return self.leases == 0 and self.options != options

    def begin(self, load: asyncio.Task[ContextInfo]) -> None:
        """Its load runs."""
        self.load = load
        load.add_done_callback(_retrieve)  # nobody may be left to wait for one that fails

    def give_up(self) -> None:
        """Cancel the load, if it still runs; once, for the load undoes what it did when it is
        cancelled. A task that has not begun would not even learn of it: that one sees the mark."""
        if not self.is_given_up:
            self.is_given_up = True
            if self.has_begun:
                self.load.cancel()

    def stop_timer(self) -> None:
        """It is no longer idle, or no longer there."""
        if self.idle_timer is not None:
            self.idle_timer.cancel()
            self.idle_timer = None


class Entries(Generic[EngineT]):
    """All models: those that leases find by path (``known``), and those whose processes are on
    their way out (``ending``). ``pinned`` ones do not go for others."""

    def __init__(self, ledgers: DeviceLedgers) -> None:
        """``ledgers`` count what the models hold."""
        self.known: dict[Path, Entry[EngineT]] = {}
        self.ending: list[Entry[EngineT]] = []
        self.pinned: set[Path] = set()
        self._ledgers = ledgers
        self._may_park = True

    # -- who is there ----------------------------------------------------------------------

    def every(self) -> list[Entry[EngineT]]:
        """All whose memory counts."""
        return [*self.known.values(), *self.ending]

    def forget(self, entry: Entry[EngineT]) -> None:
        """From now on no lease finds it."""
        entry.stop_timer()
        if self.known.get(entry.path) is entry:
            del self.known[entry.path]

    def retire(self, entry: Entry[EngineT]) -> None:
        """Its process is about to end."""
        self.forget(entry)
        entry.excess = self._ledgers.excess()
        self.ending.append(entry)

    def drop(self, entry: Entry[EngineT]) -> int:
        """Its process is gone: the ledgers get back what it held. How many bytes that were."""
        self.forget(entry)
        if entry in self.ending:
            self.ending.remove(entry)
        held, entry.held = entry.held, {}
        self._ledgers.deallocate(held)
        self._share_rest()
        return sum(held.values())

    # -- who may go ------------------------------------------------------------------------

    def may_go(self, entry: Entry[EngineT]) -> bool:
        """Whether it may be unloaded though nobody asked for that."""
        return entry.is_idle and entry.path not in self.pinned

    def may_come_to_go(self, path: Path) -> bool:
        """Whether the model at ``path`` is there, and goes for others whenever it is idle."""
        return path in self.known and path not in self.pinned

    def idle(self) -> list[Entry[EngineT]]:
        """Those that may go, the least recently used first."""
        idle = [entry for entry in self.known.values() if self.may_go(entry)]
        return sorted(idle, key=lambda entry: entry.last_used)

    def kept(self, path: Path) -> Needs:
        """What all models hold that neither go nor can go for the one at ``path``."""
        return _held(
            entry for entry in self.known.values() if entry.path != path and not self.may_go(entry)
        )

    def kept_for_good(self, path: Path) -> Needs:
        """What all models hold that do not go for the one at ``path`` when they become idle."""
        return _held(
            entry
            for entry in self.known.values()
            if entry.path != path and entry.path in self.pinned
        )

    def pinned_beside(self, entry: Entry[EngineT]) -> list[Path]:
        """The other models that hold memory and do not go for anyone."""
        return [
            other.path
            for other in self.known.values()
            if other is not entry and other.path in self.pinned and other.held
        ]

    def held_for_now(self, entries: Iterable[Entry[EngineT]]) -> Needs:
        """What those of ``entries`` hold that go once they are idle."""
        return _held(entry for entry in entries if entry.path not in self.pinned)

    def in_the_way(self, entry: Entry[EngineT], needs: Needs) -> tuple[Path, ...]:
        """The models that are in use now, and hold what an ``entry`` lacks that ``needs`` so much
        memory."""
        missing = self._ledgers.missing(needs)
        return tuple(
            other.path
            for other in self.known.values()
            if other is not entry
            and not (other.is_idle or other.path in self.pinned)
            and self._ledgers.relief(other.held, missing)
        )

    def helpful_ends(self, missing: Needs) -> list[asyncio.Task[None]]:
        """The ends under way that will give back some of what is ``missing``."""
        return [
            entry.end
            for entry in self.ending
            if entry.end is not None and self._ledgers.relief(entry.held, missing)
        ]

    def plan(self, path: Path, choice: LoadChoice) -> LoadPlan:
        """Which models go for one at ``path`` that is loaded as ``choice`` says: the least recently
        used, and no more of them than it takes. What is on its way out counts as gone, and so does
        an earlier load of the model itself."""
        freed = _held(self.ending)
        own = self.known.get(path)
        if own is not None and own.is_ready:
            freed = added(freed, own.held)
        missing = self._ledgers.missing(choice.needs, freed)
        goes: list[Entry[EngineT]] = []
        for other in self.idle():
            if not missing:
                break
            if other.path != path and self._ledgers.relief(other.held, missing):
                goes.append(other)
                missing = self._ledgers.missing(choice.needs, added(freed, _held(goes)))
        if not missing:
            goes = self._only_needed(choice.needs, freed, goes)
        n_freed = sum(_held(goes).values())
        return LoadPlan(path, choice, tuple(other.path for other in goes), n_freed, missing)

    def _only_needed(
        self, needs: Needs, freed: Needs, goes: Sequence[Entry[EngineT]]
    ) -> list[Entry[EngineT]]:
        """``goes`` without those that a later, larger one made superfluous. Where one of two may
        stay, it is the one that was used more recently."""
        needed = list(goes)
        for other in reversed(goes):
            rest = [entry for entry in needed if entry is not other]
            if not self._ledgers.missing(needs, added(freed, _held(rest))):
                needed = rest
        return needed

    # -- what the ledgers count ------------------------------------------------------------

    def take(self, entry: Entry[EngineT], choice: LoadChoice) -> None:
        """Let the ledgers count what a model is about to take. Raises `OutOfMemory`."""
        entry.held = self._ledgers.allocate(choice.needs, forced=entry.forced)
        entry.placed = choice.needs
        self._share_rest()

    def settle(self, entry: Entry[EngineT], choice: LoadChoice, info: ContextInfo) -> None:
        """It is loaded: let them count what llama.cpp measured instead of what was estimated."""
        entry.n_ctx_alone = choice.n_ctx_alone
        measured = info.weights_bytes + info.kv_bytes + info.compute_bytes
        if measured:
            beside = choice.beside
            on_gpus = {s.device: s.n_bytes + beside.get(s.device, 0) for s in info.shares}
            # Beside a GPU, llama.cpp does not tell what the CPU keeps of a mapped file. What the
            # process takes beside that is not counted without a GPU, either.
            estimated = max(0, choice.needs.get(CPU, 0) - beside.get(CPU, 0))
            on_cpu = estimated if on_gpus else measured
            self._ledgers.deallocate(entry.held)
            # Forced: it is in use, whatever the budget says.
            entry.placed = {CPU: on_cpu, **on_gpus}
            entry.held = self._ledgers.allocate(entry.placed, forced=True)
        self._share_rest()

    def let_park(self, allowed: bool) -> None:
        """Whether chats may wait outside of the caches of models at all."""
        self._may_park = allowed
        self._share_rest()

    def _share_rest(self) -> None:
        """Tell loaded models how much of what the budget leaves each of them may use for chats that
        wait outside of its cache: no ledger counts these."""
        ready = [entry for entry in self.known.values() if entry.is_ready]
        for entry in ready:
            rest = self._ledgers.contexts[CPU].available_memory() // len(ready)
            share = min(rest, MOST_PARKED_BYTES) if self._may_park else 0
            if share != entry.may_park:
                entry.may_park = share
                entry.engine.limit_parking(share)

    def holdings(self) -> Holdings:
        """What each model holds, and which are about to change that."""
        settled: dict[Path, Needs] = {}
        moving: dict[Path, Needs] = {}
        for entry in self.every():
            found = settled if entry.is_ready and entry.end is None else moving
            found[entry.path] = added(found.get(entry.path, NOTHING), entry.held)
        return Holdings(settled, moving)

    def placed(self) -> Needs:
        """Bytes by device, as llama.cpp names them, that all models hold together."""
        return added(*(entry.placed for entry in self.every()))


def _held(entries: Iterable[Entry[EngineT]]) -> Needs:
    return added(*(entry.held for entry in entries))


def _retrieve(load: asyncio.Task[ContextInfo]) -> None:
    if not load.cancelled():
        load.exception()


def unforeseen(name: str, error: Exception) -> MinervaError:
    """Why the load of model ``name`` ended with what no load raises by itself. Memory that this
    process does not get is no bug, which it would be called with a traceback."""
    if isinstance(error, MemoryError):
        return OutOfMemory(f"Not enough memory to load {name}", detail=repr(error))
    _log.error("Loading %s failed", name, exc_info=error)
    return ModelLoadError(f"{name} could not be loaded: {error}", detail=repr(error))
