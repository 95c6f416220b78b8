"""Loads that wait for memory which running requests hold, in the order in which they came.

No tasks of its own: `pool` asks it, on its loop. A load that waits holds no memory, so that no two
can wait for each other. None waits for ever, either: it is passed only by loads that leave it its
room, and by what a person insists on; and from the moment when it waits, new requests for the
models that are in its way wait behind it, also once these are idle and others are in its way still.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from minerva_desktop.devices.ledgers import DeviceLedgers, Needs, added
from minerva_desktop.engine.pool_entries import EngineT, Entries, Entry, Patience


@dataclass(slots=True)
class _Place(Generic[EngineT]):
    """What a load that waits ``needs``, the models ``in_use`` that have it, all that it ever waited
    for and that are still there (``blockers``), and all that were there ``before`` it: these it
    waits for, if need be, but not for any that came later."""

    needs: Needs
    before: list[Entry[EngineT]]
    in_use: tuple[Path, ...] = ()
    blockers: tuple[Path, ...] = ()


class WaitingLoads(Generic[EngineT]):
    """The queue. ``changed`` is set, and replaced, when memory may have become free."""

    def __init__(self, entries: Entries[EngineT], ledgers: DeviceLedgers) -> None:
        """``ledgers`` count what the ``entries`` hold."""
        self._entries = entries
        self._ledgers = ledgers
        self._places: dict[Entry[EngineT], _Place[EngineT]] = {}
        self.changed = asyncio.Event()

    def look_again(self) -> None:
        """Let all that wait see whether it is their turn now."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def turn(self, path: Path, patience: Patience) -> None:
        """Wait while loads wait for the model at ``path`` to become idle."""
        while first := [e.path for e, place in self._places.items() if path in place.blockers]:
            patience.wait_for(tuple(first))
            await self.changed.wait()
        patience.wait_for(())

    def join(self, entry: Entry[EngineT], patience: Patience) -> None:
        """One more waits for that load, which may wait already."""
        entry.patient.append(patience)
        place = self._places.get(entry)
        if place is not None:
            patience.wait_for(self._in_front(entry, place))

    def holds(self, entry: Entry[EngineT]) -> bool:
        """Whether its load waits."""
        return entry in self._places

    def comes_later(self, entry: Entry[EngineT], needs: Needs) -> bool:
        """Whether a load that would take ``needs`` now would keep one waiting that came before."""
        for other, place in self._places.items():
            if other is entry:
                return False
            both = added(place.needs, needs)
            if self._ledgers.missing(both, self._entries.held_for_now(place.before)):
                return True
        return False

    def enter(self, entry: Entry[EngineT], needs: Needs) -> None:
        """Its load waits, or goes on to, for ``needs``."""
        place = self._places.get(entry)
        if place is None:
            place = self._places[entry] = _Place(needs, self._entries.every())
        place.needs = needs
        place.in_use = self._entries.in_the_way(entry, needs)
        # Two that are used by turns would be in its way by turns for ever: who was, stays.
        stays = [path for path in place.blockers if self._entries.may_come_to_go(path)]
        is_fewer = len(stays) < len(place.blockers)
        place.blockers = tuple(dict.fromkeys((*stays, *place.in_use)))
        if is_fewer:
            self.look_again()
        in_front = self._in_front(entry, place)
        for patience in entry.patient:
            patience.wait_for(in_front)

    def leave(self, entry: Entry[EngineT]) -> None:
        """Its load has its memory, or is over."""
        if self._places.pop(entry, None) is not None:
            for patience in entry.patient:
                patience.wait_for(())
            self.look_again()

    def _in_front(self, entry: Entry[EngineT], place: _Place[EngineT]) -> tuple[Path, ...]:
        """The models that it waits for: those in its way, or the first that waits, too."""
        first = [other.path for other in self._places if other is not entry]
        return place.in_use or tuple(first[:1])
