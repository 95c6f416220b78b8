"""Models of a `ModelPool` that were loaded with less than wished, for others held memory then, and
that would be loaded better now: their next lease loads them anew.

On the pool's loop.
"""

from __future__ import annotations

from pathlib import Path
from typing import Generic

from minerva_desktop.devices.ledgers import Needs
from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry
from minerva_desktop.engine.pool_events import LoadChoice
from minerva_desktop.engine.pool_room import Choose
from minerva_desktop.engine.pool_waiting import WaitingLoads
from minerva_desktop.errors import MinervaError

# A context has to get longer by this factor to be worth a load: what a choice rests on changes by
# a little all the time.
WORTH_A_LOAD = 1.25


class Upgrades(Generic[EngineT]):
    """Asks at most once for each decrease of what the others keep, so that nothing is loaded anew
    for what it has already."""

    def __init__(
        self, entries: Entries[EngineT], choose: Choose, waiting: WaitingLoads[EngineT]
    ) -> None:
        """``choose`` as for a load; while loads are ``waiting``, all stay as they are."""
        self._entries = entries
        self._choose = choose
        self._waiting = waiting

    async def look(self, path: Path) -> None:
        """Find out whether the model at ``path`` would be loaded better now, if it may be. At once
        where it is not loaded, is in use, has what was wished, or the others keep no less."""
        entry = self._entries.known.get(path)
        if entry is None or not entry.is_idle or entry.is_outgrown:
            return
        loaded, kept = entry.choice, self._entries.kept(path)
        if loaded is None or not loaded.reasons or not _is_less(kept, entry.beside):
            return
        try:
            choice = await self._choose(path, entry.options, kept)
        except (MinervaError, OSError):
            return  # it stays as it is, and answers
        if _is_less(kept, self._entries.kept(path)):
            return  # others took some of it meanwhile: nothing is known of what they leave
        plan = self._entries.plan(path, choice)
        if any(self._has_precedence(other, entry) for other in plan.unloads):
            return
        entry.beside = kept
        entry.is_outgrown = not plan.missing and _is_better(choice, loaded)

    def is_due(self, entry: Entry[EngineT]) -> bool:
        """Whether `look` found something better, and that is still so: the others keep no more
        than then, and no load waits for memory."""
        return (
            entry.is_outgrown
            and entry.is_idle
            and self._waiting.is_empty
            and not _is_less(entry.beside, self._entries.kept(entry.path))
        )

    def _has_precedence(self, other: Path, entry: Entry[EngineT]) -> bool:
        """Whether the ``other`` model was loaded anew, too, and used since this one was: two that
        are used by turns would else load at each turn, each for the other's room."""
        before = self._entries.known[other]
        return before.is_upgrade and before.last_used > entry.last_used


def _is_less(one: Needs, other: Needs) -> bool:
    """Whether ``one`` is less than the ``other`` on any device."""
    return any(one.get(device, 0) < n_bytes for device, n_bytes in other.items())


def _is_better(choice: LoadChoice, loaded: LoadChoice) -> bool:
    """Whether ``choice`` is all that was wished, or has clearly more context at no other cost."""
    new, old = choice.options, loaded.options
    if new == old:
        return False
    is_longer = (new.n_ctx or 0) >= WORTH_A_LOAD * (old.n_ctx or 0)
    has_as_many_layers = (new.n_gpu_layers or 0) >= (old.n_gpu_layers or 0)
    return not choice.reasons or (is_longer and has_as_many_layers)
