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
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from minerva_desktop.errors import StoreError
from minerva_desktop.store.migrations import MIGRATIONS, Migration

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

BUSY_TIMEOUT_MS = 2000
# Checking a file of this size for damage takes under 0.1 s; a larger one only after a crash.
ALWAYS_CHECKED_BYTES = 64 * 1024 * 1024
# The write-ahead log is cut back to this size once it was copied into the file.
LOG_LIMIT_BYTES = 8 * 1024 * 1024


class Database:
    """A SQLite file on a thread of its own. All methods may be called on any thread.

    Futures fail with `StoreError`, whose message names the file and the reason.
    ``recovered_from`` is set by `open` when the file was damaged: that is where it lies now, and
    the database started empty.
    """

    def __init__(
        self,
        path: Path,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        self.path = path
        self.recovered_from: Path | None = None
        self._migrations = migrations
        self._busy_timeout_ms = busy_timeout_ms
        self._connection: apsw.Connection | None = None
        self._lock: apsw.Connection | None = None
        self._full_sync = True
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="minerva-store")

    def open(self) -> Future[None]:
        """Open or create the file and bring its schema up to date."""
        return self._submit(self._open)

    def run(self, function: Callable[[apsw.Connection], Result]) -> Future[Result]:
        """Call ``function`` to read. It must not keep the connection or a cursor."""
        return self._submit(lambda: function(self._opened()))

    def write(
        self, change: Callable[[apsw.Connection], Result], *, durable: bool
    ) -> Future[Result]:
        """Call ``change`` in a transaction, committed when it returns and undone when it raises.

        A durable one, with all that was written before it, survives a power cut once the future is
        done. Others survive the death of the app; a power cut may take the last of them.
        """
        return self._submit(lambda: self._write(change, durable=durable))

    def tidy(
        self,
        is_needed: Callable[[apsw.Connection], bool],
        change: Callable[[apsw.Connection], bool],
    ) -> Future[bool]:
        """Call ``change`` as `write` does, not durably, but only where ``is_needed``; its result,
        or False."""
        return self._submit(
            lambda: is_needed(self._opened()) and self._write(change, durable=False)
        )

    def close(self) -> Future[None]:
        """Finish what was handed in, close the file and end the thread; idempotent."""
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
            # Logged here because the one who asked may have stopped waiting for the answer.
            failure = _store_error(self.path, error)
            logger.warning("%s (%s)", failure.message, failure.detail)
            raise failure from error

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_special_file(self.path)
        self._lock = _locked(self.path, self._busy_timeout_ms)
        try:
            self._connection = self._connect()
        except (apsw.CorruptError, apsw.NotADBError) as error:
            self.recovered_from = _set_aside(self.path)
            logger.warning("%s is damaged (%s), now %s", self.path, error, self.recovered_from)
            self._connection = self._connect()

    def _connect(self) -> apsw.Connection:
        after_crash = _size(_log_of(self.path)) > 0
        connection = apsw.Connection(str(self.path))
        try:
            if connection.readonly("main"):
                raise apsw.ReadOnlyError("the file opened for reading only")
            connection.set_busy_timeout(self._busy_timeout_ms)
            # A file that turns out to be damaged or newer is left as it was found.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            version = _schema_version(connection)
            if version > len(self._migrations):
                raise _newer_database(self.path, version, len(self._migrations))
            if after_crash or _size(self.path) <= ALWAYS_CHECKED_BYTES:
                _check_integrity(connection)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            for pragma in (
                "journal_mode = WAL",
                f"journal_size_limit = {LOG_LIMIT_BYTES}",
                "synchronous = FULL",
                "fullfsync = ON",  # macOS: a plain fsync does not reach the disk there
                "foreign_keys = OFF",  # a table that is made anew must not empty those that name it
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            _migrate(connection, self.path, self._migrations)
            connection.execute("PRAGMA foreign_keys = ON").fetchall()
        except BaseException:
            # Whatever it was: nobody else knows the connection, and open it would keep the file
            # from being set aside on Windows.
            connection.close()
            raise
        return connection

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            raise StoreError(f"The chats in {self.path} are not open")
        return self._connection

    def _write(self, change: Callable[[apsw.Connection], Result], *, durable: bool) -> Result:
        connection = self._opened()
        if durable != self._full_sync:
            level = "FULL" if durable else "NORMAL"
            connection.execute(f"PRAGMA synchronous = {level}").fetchall()
            self._full_sync = durable
        with _transaction(connection):
            return change(connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _locked(path: Path, timeout_ms: int) -> apsw.Connection:
    """Hold the right to open ``path`` until the result is closed; `apsw.BusyError` if another
    process has it."""
    lock = apsw.Connection(str(path.with_name(path.name + ".lock")))
    try:
        lock.set_busy_timeout(timeout_ms)
        lock.execute("PRAGMA journal_mode = MEMORY").fetchall()
        lock.execute("BEGIN EXCLUSIVE")
    except BaseException:
        # Whatever it was: nobody else could let go of the lock until the process ends.
        lock.close()
        raise
    return lock


@contextmanager
def _transaction(connection: apsw.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Whatever it was: a transaction left open would swallow all later writes. A full disk may
        # have ended it already; then there is nothing to undo.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: apsw.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    version = _schema_version(connection)
    if 0 < version < len(migrations):
        _keep_copy(connection, path, version)
    for number, step in enumerate(migrations[version:], start=version + 1):
        with _transaction(connection):
            step(connection)
            connection.execute(f"PRAGMA user_version = {number}")


def _keep_copy(connection: apsw.Connection, path: Path, version: int) -> None:
    """Copy the database beside itself, named after its version and the time."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    try:
        with (
            closing(apsw.Connection(str(unfinished))) as copy,
            copy.backup("main", connection, "main") as backup,
        ):
            backup.step()
        unfinished.rename(_free_name(path, f"v{version}"))
    finally:
        unfinished.unlink(missing_ok=True)


def _set_aside(path: Path) -> Path:
    """Give a damaged file another name, with its log, so that a repair tool has all of it."""
    target = _free_name(path, "damaged")
    # The log first: a new database must never find the old one's.
    if _log_of(path).exists():
        _log_of(path).rename(_log_of(target))
    path.rename(target)
    return target


def _free_name(path: Path, label: str) -> Path:
    """A name beside ``path`` that is not taken: chats.db, chats-damaged-20260131-235959.db."""
    stem = f"{path.stem}-{label}-{time.strftime('%Y%m%d-%H%M%S')}"
    candidate = path.with_name(stem + path.suffix)
    number = 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{stem}-{number}{path.suffix}")
    return candidate


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _refuse_special_file(path: Path) -> None:
    """A pipe in the file's place would block the open for ever."""
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise StoreError(f"The chats cannot be kept in {path}: it is not a regular file")


def _schema_version(connection: apsw.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").get)


def _check_integrity(connection: apsw.Connection) -> None:
    report = connection.execute("PRAGMA quick_check(1)").get
    if report != "ok":
        raise apsw.CorruptError(str(report))


def _newer_database(path: Path, version: int, known: int) -> StoreError:
    return StoreError(
        f"The chats in {path} were written by a newer Minerva (format {version}, this one knows"
        f" up to {known}). They are untouched: update the app to open them"
    )


def _store_error(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"The chats in {path} cannot be read or written: {_reason(path, error)}",
        detail=f"{type(error).__name__}: {error}",
    )


def _reason(path: Path, error: Exception) -> str:
    """What happened, in words."""
    reason = str(error)
    match error:
        case apsw.BusyError() | apsw.LockedError():
            reason = (
                "Minerva is open already in another window or session, or another program has "
                "the file open"
            )
        case apsw.FullError():
            free = shutil.disk_usage(path.parent).free
            reason = f"the disk is full ({free:,} bytes free)"
        case apsw.ReadOnlyError():
            reason = "the file or its folder is read-only"
        case apsw.CantOpenError() | apsw.PermissionsError():
            reason = "the file or its folder may not be opened or written"
        case apsw.CorruptError() | apsw.NotADBError():
            reason = "the file is damaged"
        case FileExistsError():
            reason = "there is a file where its folder should be"
        case OSError(strerror=str(words)):
            reason = words
    return reason
