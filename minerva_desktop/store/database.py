"""The one SQLite file of the app, and the one thread that touches it.

`chat_store` hands in functions from any thread; each runs alone, in order of arrival, on the
thread "minerva-store", and its result comes back as a `concurrent.futures.Future`.

One process at a time has it open: a second one would take answers that are still streaming for
interrupted ones. The lock is on a second, empty SQLite file beside it, which the system frees
however the process ends, so that other programs can still read the chats while the app runs.
Nothing here may open either file past SQLite: on POSIX, closing any other handle of a file drops
the locks on it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from minerva_desktop.errors import StoreError
from minerva_desktop.store import backup_files, opening, recovery_note
from minerva_desktop.store.failures import (
    DISK_TROUBLES,
    free_bytes,
    reason_of,
    remedy_of,
    store_error,
)
from minerva_desktop.store.held_writes import HeldWrites
from minerva_desktop.store.migrations import MIGRATIONS, Migration
from minerva_desktop.store.recovery import Recovery

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

BUSY_TIMEOUT_MS = 2000
# All that waits for the disk is done again each time: not with each of many writes.
RETRY_AT_MOST_SECONDS = 0.5


class DiskTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Writes wait in memory because the disk does not take them. ``reason`` is a part of a
    sentence, ``remedy`` begins one; ``seconds`` is for how long by now, ``free_bytes`` what is free
    on the disk."""

    reason: str
    remedy: str
    n_writes: int
    seconds: float
    free_bytes: int


class Database:
    """A SQLite file on a thread of its own. All methods may be called on any thread.

    Futures fail with `StoreError`, whose message names the file and the reason.
    ``recovery`` is set by `open` and `open_anew` when the file was damaged. ``on_trouble`` is
    called on the database's thread when writes begin to wait for the disk, with each that does,
    and, with None, when all are written.
    """

    def __init__(
        self,
        path: Path,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        self.path = path
        self.recovery: Recovery | None = None
        self.on_trouble: Callable[[DiskTrouble | None], None] = lambda _: None
        self._migrations = migrations
        self._busy_timeout_ms = busy_timeout_ms
        self._connection: apsw.Connection | None = None
        self._lock: apsw.Connection | None = None
        self._held: HeldWrites | None = None
        self._trouble = ("", "", 0.0)  # its reason, what to do, and when it began
        self._tried_at = 0.0
        self._full_sync = True
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="minerva-store")

    @property
    def n_schema_steps(self) -> int:
        """Up to which schema files can be opened."""
        return len(self._migrations)

    @property
    def is_open(self) -> bool:
        """Whether there is a file, or a copy in memory, to work on."""
        return self._connection is not None

    def open(self) -> Future[None]:
        """Open or create the file and bring its schema up to date. Where it cannot be written, a
        copy in memory is opened, and writes wait."""
        return self._submit(self._open)

    def open_anew(self) -> Future[None]:
        """Open the file once more after damage was met in it: all of it is looked at, and what can
        be read recovered. Nothing happens while writes wait for the disk."""
        return self._submit(self._open_anew)

    def run(self, function: Callable[[apsw.Connection], Result]) -> Future[Result]:
        """Call ``function`` to read. It must not keep the connection or a cursor."""
        return self._submit(lambda: function(self._opened()))

    def call(self, function: Callable[[], Result]) -> Future[Result]:
        """Call ``function`` behind what was handed in before it."""
        return self._submit(function)

    def write(
        self,
        change: Callable[[apsw.Connection], Result],
        *,
        durable: bool,
        key: Hashable | None = None,
    ) -> Future[Result]:
        """Call ``change`` in a transaction, committed when it returns and undone when it raises.

        A durable one, with all that was written before it, survives a power cut once the future is
        done. Others survive the death of the app; a power cut may take the last of them.

        Where the disk does not take it, it waits in memory, is seen by whatever reads, and is
        called again later: it must be a function of the database alone. While it waits, one with
        a ``key`` is replaced by the next that has the same.
        """
        return self._submit(lambda: self._write(change, durable=durable, key=key))

    def tidy(
        self,
        is_needed: Callable[[apsw.Connection], bool],
        change: Callable[[apsw.Connection], bool],
    ) -> Future[bool]:
        """Call ``change`` as `write` does, not durably, but only where ``is_needed`` and the disk
        takes it; its result, or False."""
        return self._submit(lambda: self._tidy(is_needed, change))

    def try_again(self) -> Future[bool]:
        """Whether the disk takes all that waits, or nothing does."""
        return self._submit(lambda: self._held is None or self._try_again())

    def save_elsewhere(self, target: Path) -> Future[None]:
        """Write everything, also what waits, into a new file ``target``."""
        return self._submit(lambda: self._save_elsewhere(target))

    def replace_with(self, backup: Path) -> Future[None]:
        """Put the content of a file that `backup_files.check_backup` found good in the place of
        all chats; one that is of an older schema is brought up to date."""
        return self._submit(lambda: self._replace_with(backup))

    def close(self) -> Future[None]:
        """Finish what was handed in, close the file and end the thread; idempotent. Fails, closed
        all the same, where the disk never took what waited for it."""
        try:
            return self._submit(self._close)
        except StoreError:
            done: Future[None] = Future()
            done.set_result(None)
            return done
        finally:
            self._executor.shutdown(wait=False)

    def join(self) -> None:
        """Block until the thread ended, which it does right after `close` is done."""
        self._executor.shutdown(wait=True)

    def _submit(self, job: Callable[[], Result]) -> Future[Result]:
        try:
            return self._executor.submit(self._guarded, job)
        except RuntimeError as error:
            raise StoreError(f"The chats in {self.path} are closed") from error

    def _guarded(self, job: Callable[[], Result]) -> Result:
        try:
            return job()
        except (apsw.Error, OSError, UnicodeError) as error:
            if isinstance(error, (apsw.CorruptError, UnicodeDecodeError)) and self._may_note():
                opening.suspect(self.path)
            # Logged here because the one who asked may have stopped waiting for the answer.
            failure = store_error(self.path, error)
            logger.warning("%s (%s)", failure.message, failure.detail)
            raise failure from error

    # -- on the database's thread --------------------------------------------------------------

    def _may_note(self) -> bool:
        """Whether damage is told to the next start."""
        return self._lock is not None

    def _open(self) -> None:
        opening.prepare(self.path)
        try:
            self._open_file()
        except (*DISK_TROUBLES, apsw.CantOpenError, apsw.PermissionsError) as error:
            connection = opening.connect_in_memory(self.path, self._migrations)
            self._connection = connection
            self._begin_to_hold(HeldWrites(connection, is_on_disk=False), error)

    def _open_file(self) -> None:
        self._lock = opening.lock(self.path, self._busy_timeout_ms)
        try:
            try:
                self._connection = self._connect()
            except (apsw.CorruptError, apsw.NotADBError) as error:
                logger.warning("%s is damaged (%s)", self.path, error)
                self.recovery = opening.replace_damaged(self.path, self._migrations)
                logger.warning("%s", self.recovery.words)
                recovery_note.add(self.path, self.recovery.words)
                self._connection = self._connect()
        except BaseException:
            # Whatever it was: without the file there is nothing to lock.
            self._lock.close()
            self._lock = None
            raise
        opening.suspicion(self.path).unlink(missing_ok=True)
        with suppress(OSError):  # they cost nothing but room
            backup_files.remove_leftovers(self.path, time.time())

    def _open_anew(self) -> None:
        if self._held is None:
            self._close_file()
            self._open_file()

    def _connect(self) -> apsw.Connection:
        return opening.connect(self.path, self._migrations, self._busy_timeout_ms)

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            raise StoreError(f"The chats in {self.path} are not open")
        return self._connection

    def _write(
        self,
        change: Callable[[apsw.Connection], Result],
        *,
        durable: bool,
        key: Hashable | None = None,
    ) -> Result:
        connection = self._opened()
        if self._held is not None:
            result = self._held.hold(change, key)
            self._tell_trouble()
            if durable and time.monotonic() - self._tried_at > RETRY_AT_MOST_SECONDS:
                self._try_again()
            return result
        try:
            return self._commit(connection, change, durable=durable)
        except DISK_TROUBLES as error:
            held = HeldWrites(connection, is_on_disk=True)
            result = held.hold(change, key)
            self._begin_to_hold(held, error)
            return result

    def _commit(
        self,
        connection: apsw.Connection,
        change: Callable[[apsw.Connection], Result],
        *,
        durable: bool,
    ) -> Result:
        if durable != self._full_sync:
            level = "FULL" if durable else "NORMAL"
            connection.execute(f"PRAGMA synchronous = {level}").fetchall()
            self._full_sync = durable
        with opening.transaction(connection):
            return change(connection)

    def _tidy(
        self,
        is_needed: Callable[[apsw.Connection], bool],
        change: Callable[[apsw.Connection], bool],
    ) -> bool:
        connection = self._opened()
        if self._held is not None or not is_needed(connection):
            return False
        return self._commit(connection, change, durable=False)

    # -- a disk that does not take what is written ---------------------------------------------

    def _begin_to_hold(self, held: HeldWrites, error: Exception) -> None:
        reason = reason_of(self.path, error)
        logger.warning("%s: writes wait in memory: %s (%s)", self.path, reason, error)
        self._held = held
        self._trouble = (reason, remedy_of(error), time.monotonic())
        self._tell_trouble()

    def _tell_trouble(self) -> None:
        if self._held is None:
            self.on_trouble(None)
            return
        reason, remedy, began = self._trouble
        trouble = DiskTrouble(
            reason=reason,
            remedy=remedy,
            n_writes=len(self._held),
            seconds=time.monotonic() - began,
            free_bytes=free_bytes(self.path),
        )
        self.on_trouble(trouble)

    def _try_again(self) -> bool:
        held = self._held
        if held is None:
            return True
        self._tried_at = time.monotonic()
        is_written = held.try_again() if self._lock is not None else self._open_again(held)
        if is_written:
            logger.warning("%s: all that waited is written", self.path)
            self._held = None
            self._full_sync = False  # not known: it is set with the next write
            self._opened().execute(
                "PRAGMA cache_spill = ON; PRAGMA synchronous = NORMAL"
            ).fetchall()
        self._tell_trouble()
        return is_written

    def _open_again(self, held: HeldWrites) -> bool:
        """Whether the file can be written by now."""
        in_memory, self._connection = self._opened(), None
        try:
            self._open_file()
            with opening.transaction(self._opened()):
                held.do_all(self._opened())
        except (apsw.Error, OSError, StoreError):
            self._close_file()
            self._connection = in_memory
            return False
        in_memory.close()
        return True

    def _save_elsewhere(self, target: Path) -> None:
        backup_files.refuse_taken(target)
        held = self._held
        if held is None or self._lock is None:
            backup_files.copy_now(self._opened(), target)
            return
        held.pause()
        try:
            backup_files.copy_now(self._opened(), target)
            with closing(apsw.Connection(str(target))) as copy, opening.transaction(copy):
                held.do_all(copy)
        finally:
            held.resume()

    def _replace_with(self, backup: Path) -> None:
        if self._held is not None:
            raise StoreError("A backup cannot be restored while the disk takes no writes")
        connection = self._opened()
        with (
            closing(backup_files.open_unchanged(backup)) as source,
            connection.backup("main", source, "main") as copy,
        ):
            copy.step()
        opening.migrate(connection, self._migrations)

    def _close(self) -> None:
        held = self._held
        is_written = self._try_again()
        self._close_file()
        if held is not None and not is_written and len(held):
            raise StoreError(
                f"The last changes to the chats in {self.path} ({len(held)}) could not be"
                f" written: {self._trouble[0]}"
            )

    def _close_file(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
