"""The chats for one who only reads, also while another process has them open.

No lock is taken and nothing is written, not even that an answer is interrupted: the window beside
may be writing it right now. SQLite's write-ahead log lets others read beside the one who writes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import apsw

from minerva_desktop.errors import StoreError
from minerva_desktop.store import backup_files, opening
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import BUSY_TIMEOUT_MS, Database
from minerva_desktop.store.failures import is_damage
from minerva_desktop.store.migrations import MIGRATIONS
from minerva_desktop.store.recovery import Recovery


class ReadingStore(ChatStore):
    """A `ChatStore` on a `ReadingDatabase`: what would write fails with `StoreError`."""

    async def start(self) -> None:
        """Open the database that the store was made with. On failure its thread is ended."""
        try:
            await asyncio.wrap_future(self._database.open())
        except BaseException:
            await self.close()
            raise

    async def back_up(self, target: Path | None = None) -> Path:
        """Copy all chats as they are now to ``target``, which is not there yet; where to."""
        if target is None:
            raise StoreError("A copy of chats that are only read needs a place")
        await self._read(lambda connection: _copy(connection, target))
        return target


class ReadingDatabase(Database):
    """A file of today's schema; SQLite refuses to write to it. ``may_copy``: one of an older schema
    is brought up to date in memory."""

    may_copy = False

    def _may_note(self) -> bool:
        return True

    def _open(self) -> None:
        opening.require_file(self.path)
        self._connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        try:
            version = opening.schema_version(self._connection)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # SQLite makes a log to read by, which a folder that is read-only does not take. Nobody
            # writes there now either.
            self._connection.close()
            if opening.size(opening.log_of(self.path)) > 0:
                self._open_copy()
                return
            self._connection = backup_files.open_unchanged(self.path)
            version = opening.schema_version(self._connection)
        if version < len(MIGRATIONS) and self.may_copy:
            self._connection.close()
            self._open_copy()
        elif version != len(MIGRATIONS):
            raise _OtherSchema(f"The chats in {self.path} have another format ({version})")

    def _open_copy(self) -> None:
        """In memory, up to date, and not to be written to either."""
        self._connection = None
        self._connection = opening.connect_in_memory(self.path, MIGRATIONS)
        self._connection.execute("PRAGMA query_only = ON").fetchall()


class _OtherSchema(StoreError):
    """Only one who may write can bring the file up to date, or say that it is too new."""


async def open_for_reading(path: Path) -> ReadingStore:
    """The chats in ``path``, beside whoever has them open. Raises `StoreError`.

    A file of an older schema is brought up to date first (a copy in memory, where it is read-only),
    one that is not there is made, and what can be read of a damaged one is recovered (``recovery``
    of the result); that needs that nobody has it open.
    """
    is_suspected = await asyncio.to_thread(opening.suspicion(path).exists)
    if not is_suspected and await asyncio.to_thread(path.exists):
        try:
            return await _opened(path)
        except _OtherSchema:
            pass
        except StoreError as error:
            if not is_damage(error):
                raise
    try:
        writing = await ChatStore.open(path)
    except StoreError:
        if not is_suspected:
            raise
        return await _opened(path)  # much may be readable: a window has it open, or a full disk
    with suppress(StoreError):  # a disk that takes no writes
        await writing.close()
    return await _opened(path, writing.recovery, may_copy=True)


async def _opened(
    path: Path, recovery: Recovery | None = None, *, may_copy: bool = False
) -> ReadingStore:
    database = ReadingDatabase(path)
    database.recovery = recovery
    database.may_copy = may_copy
    store = ReadingStore(database)
    await store.start()
    return store


def _copy(connection: apsw.Connection, target: Path) -> None:
    # One state of the file to the end: SQLite would begin anew with each write of a window's.
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        backup_files.copy_now(connection, target)
    finally:
        connection.execute("COMMIT")
