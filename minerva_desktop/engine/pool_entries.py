"""The models of a `ModelPool`: which there are, which may go, and what the ledgers count for each.

No tasks, no events: `pool` decides when something happens, and calls this on its loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from minerva_desktop.devices.ledgers import CPU, NOTHING, DeviceLedgers, Needs, added
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.pool_events import LoadChoice, LoadPlan, PooledEngine

EngineT = TypeVar("EngineT", bound=PooledEngine)


@dataclass(slots=True, eq=False)
class Entry(Generic[EngineT]):
    """A model from the beginning of its load to the end of its process."""

    path: Path
    options: LoadOptions
    forced: bool
    leases: int = 0
    last_used: int = 0
    held: Needs = field(default_factory=dict)  # bytes by ledger, as they were taken
    is_over: bool = False
    idle_timer: asyncio.TimerHandle | None = None
    engine: EngineT = field(init=False)
    load: asyncio.Task[ContextInfo] = field(init=False)

    @property
    def is_idle(self) -> bool:
        """Whether it is loaded, and nobody uses it."""
        return self.leases == 0 and self.load.done()


class Entries(Generic[EngineT]):
    """All models that leases can find, by path, and which of them are pinned."""

    def __init__(self, ledgers: DeviceLedgers) -> None:
        """``ledgers`` count what the models hold."""
        self.known: dict[Path, Entry[EngineT]] = {}
        self.pinned: set[Path] = set()
        self._ledgers = ledgers

    def forget(self, entry: Entry[EngineT]) -> None:
        """No lease finds it any more."""
        if entry.idle_timer is not None:
            entry.idle_timer.cancel()
        if self.known.get(entry.path) is entry:
            del self.known[entry.path]

    def may_go(self, entry: Entry[EngineT]) -> bool:
        """Whether it may be unloaded though nobody asked for that."""
        return entry.is_idle and entry.path not in self.pinned

    def idle(self) -> list[Entry[EngineT]]:
        """Those that may go, the least recently used first."""
        idle = [entry for entry in self.known.values() if self.may_go(entry)]
        return sorted(idle, key=lambda entry: entry.last_used)

    def kept(self, path: Path) -> Needs:
        """What all models hold that cannot go for the one at ``path``."""
        return _held(
            entry for entry in self.known.values() if entry.path != path and not self.may_go(entry)
        )

    def plan(self, path: Path, choice: LoadChoice) -> LoadPlan:
        """Which models go for one at ``path`` that is loaded as ``choice`` says."""
        needs = choice.needs
        missing = self._ledgers.missing(needs)
        goes: list[Entry[EngineT]] = []
        for other in self.idle():
            if not missing:
                break
            if other.path != path and self._ledgers.relief(other.held, missing):
                goes.append(other)
                missing = self._ledgers.missing(needs, _held(goes))
        n_freed = sum(_held(goes).values())
        return LoadPlan(path, choice, tuple(other.path for other in goes), n_freed, missing)

    # -- what the ledgers count ------------------------------------------------------------

    def take(self, entry: Entry[EngineT], choice: LoadChoice) -> None:
        """Let the ledgers count what a model is about to take. Raises `OutOfMemory`."""
        self._ledgers.allocate(choice.needs, forced=entry.forced)
        entry.held = choice.needs

    def settle(self, entry: Entry[EngineT], info: ContextInfo) -> None:
        """Let them count what llama.cpp measured instead of what was estimated."""
        measured = info.weights_bytes + info.kv_bytes + info.compute_bytes
        if measured:
            on_gpus = {share.device: share.n_bytes for share in info.shares}
            # Beside a GPU, llama.cpp does not tell what the CPU keeps of a mapped file.
            on_cpu = entry.held.get(CPU, 0) if on_gpus else measured
            shares: Needs = {CPU: on_cpu, **on_gpus}
            self._ledgers.deallocate(entry.held)
            self._ledgers.allocate(shares, forced=True)  # it is in use, whatever the budget says
            entry.held = shares

    def give_back(self, entry: Entry[EngineT]) -> None:
        """Its process is gone."""
        held, entry.held = entry.held, NOTHING
        self._ledgers.deallocate(held)


def _held(entries: Iterable[Entry[EngineT]]) -> Needs:
    return added(*(entry.held for entry in entries))
