"""Memory for the loads of a `ModelPool`, which others may have to give back first.

On the pool's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Generic

from minerva_desktop.devices.ledgers import DeviceLedgers, Needs
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry
from minerva_desktop.engine.pool_events import LoadChoice
from minerva_desktop.engine.pool_waiting import WaitingLoads
from minerva_desktop.errors import OutOfMemory

# How a model is best loaded, given what the models that have to stay hold; raises
# `ModelLoadError`, `ModelNotFound` or `AppReplaced`.
Choose = Callable[[Path, LoadOptions, Needs], Awaitable[LoadChoice]]
# Raises `AppReplaced` where a load of that model cannot succeed, whatever goes for it.
CheckStart = Callable[[Path], Awaitable[None]]


class RoomMaker(Generic[EngineT]):
    """Looks for the memory of one load at a time, so that no two count on the same."""

    def __init__(
        self,
        entries: Entries[EngineT],
        ledgers: DeviceLedgers,
        choose: Choose,
        check_start: CheckStart,
        evict: Callable[[Entry[EngineT], Entry[EngineT]], asyncio.Task[None]],
        waiting: WaitingLoads[EngineT],
    ) -> None:
        """``check_start`` is asked before anything goes; ``evict`` begins to end its first
        argument's process, for the second's load."""
        self._entries = entries
        self._ledgers = ledgers
        self._choose = choose
        self._check_start = check_start
        self._evict = evict
        self._waiting = waiting
        self._looking = asyncio.Lock()

    async def make(self, entry: Entry[EngineT]) -> LoadChoice:
        """Take the model's memory from the ledgers, after as many others went as that needs.
        Returns how to load it. Raises `OutOfMemory`, and what choosing and checking raise."""
        try:
            while True:
                changed = self._waiting.changed  # before the look, so that no change is missed
                async with self._looking:
                    choice = await self._look(entry)
                if choice is not None:
                    return choice
                await changed.wait()
        finally:
            self._waiting.leave(entry)

    async def _look(self, entry: Entry[EngineT]) -> LoadChoice | None:
        """As `make`; None where it has to wait for models that are in use."""
        path, entries = entry.path, self._entries
        kept = entries.kept(path)
        choice = await self._choose(path, entry.options, kept)
        entry.forced = entry.forced or self._is_as_it_was(entry, choice.needs)
        comes_later = entry.can_wait and self._waiting.comes_later(entry, choice.needs)
        if comes_later and await self._may_wait(entry):
            return None
        asks, is_checked = True, False
        while missing := self._ledgers.missing(choice.needs):
            if sum((now := entries.kept(path)).values()) < sum(kept.values()):
                # Who was in use while it was chosen may go now: it need not be so small.
                kept = now
                choice = await self._choose(path, entry.options, kept)
                continue
            ends = entries.helpful_ends(missing)
            if not ends:
                plan = entries.plan(path, choice)
                if plan.missing and asks and entry.can_wait:
                    if await self._may_wait(entry):
                        return None
                    asks = False
                    continue  # with what is there now: others were used meanwhile, or went
                goes = [entries.known[other] for other in plan.unloads]
                if (plan.missing and not entry.forced) or not _may_replace(entry, goes):
                    break
                if goes and not is_checked:
                    await self._check_start(path)
                    is_checked = True
                    continue  # as above
                ends = [self._evict(other, entry) for other in goes]
            if not ends:
                break
            await asyncio.wait(ends)  # and then see what is there: much may have happened
        self._take(entry, choice)
        return choice

    def _is_as_it_was(self, entry: Entry[EngineT], needs: Needs) -> bool:
        """Whether a model that was loaded beyond the budgets, because somebody insisted, would be
        no further beyond them once it is back: nobody insisted on more."""
        missing = self._ledgers.missing(needs)
        is_allowed = all(n <= entry.excess.get(name, 0) for name, n in missing.items())
        return entry.is_back and bool(missing) and is_allowed

    def _take(self, entry: Entry[EngineT], choice: LoadChoice) -> None:
        try:
            self._entries.take(entry, choice)
        except OutOfMemory as error:
            pinned = self._entries.pinned_beside(entry)
            if not pinned:
                raise
            names = ", ".join(path.stem for path in pinned)
            why = f", while {names} must stay loaded"
            raise OutOfMemory(
                error.message + why,
                detail=error.detail,
                needs=error.needs + why,
                is_shared=error.is_shared,
            ) from error

    async def _may_wait(self, entry: Entry[EngineT]) -> bool:
        """Let a load wait, if somebody still wants it to, and there would be room for it then."""
        path, entries = entry.path, self._entries
        choice = await self._choose(path, entry.options, entries.kept_for_good(path))
        if not entry.can_wait:  # who waited left meanwhile, or somebody insisted
            return False
        if self._ledgers.missing(choice.needs, entries.held_for_now(entries.every())):
            return False
        self._waiting.enter(entry, choice.needs)
        return True


def _may_replace(entry: Entry[EngineT], others: Sequence[Entry[EngineT]]) -> bool:
    """Whether ``others`` may go for a load: one that only brings a model back, for which nobody
    waits, takes no room from what was used since."""
    is_wanted = entry.leases > 0 or not entry.is_back
    return is_wanted or all(other.last_used < entry.last_used for other in others)
