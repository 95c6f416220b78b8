"""The chats for one who only reads, also while another process has them open.

No lock is taken and nothing is written, not even that an answer is interrupted: the window beside
may be writing it right now. SQLite's write-ahead log lets others read beside the one who writes.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import apsw

from minerva_desktop.errors import ChatFileError, StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import BUSY_TIMEOUT_MS, Database
from minerva_desktop.store.migrations import MIGRATIONS


class ReadingStore(ChatStore):
    """A `ChatStore` on a `ReadingDatabase`: what would write fails with `StoreError`."""

    async def start(self) -> None:
        """Open the database that the store was made with. On failure its thread is ended."""
        try:
            await asyncio.wrap_future(self._database.open())
        except BaseException:
            await self.close()
            raise

    async def copy_to(self, target: Path) -> None:
        """Copy all chats as they are now into the file ``target``, which is new or empty. Raises
        `ChatFileError` where that cannot be written; what it holds then is of no use."""
        await self._read(lambda connection: _copy(connection, target))


class ReadingDatabase(Database):
    """A file of today's schema; SQLite refuses to write to it."""

    def _open(self) -> None:
        self._connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        version = self._connection.execute("PRAGMA user_version").get
        if version != len(MIGRATIONS):
            raise _OtherSchema(f"The chats in {self.path} have another format ({version})")


class _OtherSchema(StoreError):
    """Only one who may write can bring the file up to date, or say that it is too new."""


async def open_for_reading(path: Path) -> ReadingStore:
    """The chats in ``path``, beside whoever has them open. Raises `StoreError`.

    A file of an older schema is brought up to date first, and one that is not there is made; that
    needs that nobody has it open.
    """
    if await asyncio.to_thread(path.exists):
        try:
            return await _opened(path)
        except _OtherSchema:
            pass
    writing = await ChatStore.open(path)
    await writing.close()
    return await _opened(path)


async def _opened(path: Path) -> ReadingStore:
    store = ReadingStore(ReadingDatabase(path))
    await store.start()
    return store


def _copy(connection: apsw.Connection, target: Path) -> None:
    try:
        with closing(apsw.Connection(str(target))) as copy:
            with copy.backup("main", connection, "main") as backup:
                backup.step()
            # One file that can be read from anywhere: with a log it would need two more beside it.
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError) as error:
        is_full = isinstance(error, apsw.FullError)
        reason = "the disk is full" if is_full else "the disk refuses to take it"
        raise ChatFileError(reason, detail=f"{type(error).__name__}: {error}") from error
    finally:
        for suffix in ("-journal", "-wal", "-shm"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
