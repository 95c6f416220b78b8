"""Writes that the disk did not take: kept in memory in their order, and tried again.

On the database's thread. What waits is in a transaction that stays open, so that whatever reads
sees it; when the disk fails at its end once more, SQLite undoes it, and it is done again from the
list.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TypeVar

import apsw
import msgspec

Result = TypeVar("Result")

Change = Callable[[apsw.Connection], object]


class _Held(msgspec.Struct, frozen=True):
    change: Change
    key: Hashable | None


class HeldWrites:
    """``is_on_disk`` False: the connection is to a copy in memory, because the file cannot be
    written at all; what waits is for the file."""

    def __init__(self, connection: apsw.Connection, *, is_on_disk: bool) -> None:
        self.connection = connection
        self._is_on_disk = is_on_disk
        self._held: list[_Held] = []

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, change: Callable[[apsw.Connection], Result], key: Hashable | None) -> Result:
        """Make a change in memory alone; its result. One with a ``key`` takes the place of the one
        that has it already. Raises what ``change`` does, which then is not kept."""
        self._begin()
        result = self._apart(change)
        if key is not None:
            self._held = [held for held in self._held if held.key != key]
        self._held.append(_Held(change, key))
        return result

    def try_again(self) -> bool:
        """Whether the disk takes all that waits now; where not, it goes on waiting."""
        try:
            self._begin()
            self.connection.execute("COMMIT")
        except apsw.Error:
            with suppress(apsw.Error):
                self._begin()
            return False
        self._held.clear()
        return True

    def do_all(self, connection: apsw.Connection) -> None:
        """Make all changes that wait in another database."""
        for held in self._held:
            held.change(connection)

    def pause(self) -> None:
        """Take what waits out of the connection until `resume`."""
        if self._is_on_disk and self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def resume(self) -> None:
        """Bring back what waits."""
        self._begin()

    def _begin(self) -> None:
        if not self._is_on_disk or self.connection.in_transaction:
            return
        # Nothing may go to the disk before the end.
        for pragma in ("cache_spill = OFF", "temp_store = MEMORY"):
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        self.connection.execute("BEGIN IMMEDIATE")
        self.do_all(self.connection)

    def _apart(self, change: Callable[[apsw.Connection], Result]) -> Result:
        self.connection.execute("SAVEPOINT change")
        try:
            result = change(self.connection)
        except BaseException:
            # Whatever it was: what waits already must not get half of it.
            self.connection.execute("ROLLBACK TO change; RELEASE change")
            raise
        self.connection.execute("RELEASE change")
        return result
