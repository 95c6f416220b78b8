"""How the file of the chats is opened: the lock, the check, the schema's steps, and what happens
to a damaged one.

Runs on the database's thread.
"""

from __future__ import annotations

import logging
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import apsw

from minerva_desktop.errors import StoreError
from minerva_desktop.paths import make_private
from minerva_desktop.store import backup_files
from minerva_desktop.store.backup_files import BackupReason, free_name
from minerva_desktop.store.failures import newer_file
from minerva_desktop.store.migrations import Migration
from minerva_desktop.store.recovery import TABLES, Recovery, recover, repair

logger = logging.getLogger(__name__)

# Checking a file of this size for damage takes under 0.1 s; the window looks through a larger one a
# while later, beside other work, and here it is only done after a crash (0.7 s for a million
# messages).
ALWAYS_CHECKED_BYTES = 64 * 1024 * 1024
# The write-ahead log is cut back to this size once it was copied into the file.
LOG_LIMIT_BYTES = 8 * 1024 * 1024
# Steps of the schema that a newer app may have; with more of them, the first page is damaged.
MAX_LATER = 100
# A file that cannot be written is read into memory up to this size.
MEMORY_LIMIT_BYTES = 1024 * 1024 * 1024


SELECT_CHAT_TABLES = """
    SELECT name FROM sqlite_master
    WHERE type = 'table' AND name NOT LIKE 'message_index%' AND name NOT LIKE 'sqlite%'
"""


def lock(path: Path, timeout_ms: int) -> apsw.Connection:
    """Hold the right to open ``path`` until the result is closed; `apsw.BusyError` if another
    process has it."""
    held = path.with_name(path.name + ".lock")
    make_private(held)
    connection = apsw.Connection(str(held))
    try:
        connection.set_busy_timeout(timeout_ms)
        connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
        connection.execute("BEGIN EXCLUSIVE")
    except BaseException:
        # Whatever it was: nobody else could let go of the lock until the process ends.
        connection.close()
        raise
    return connection


def prepare(path: Path) -> None:
    """Make the folder, and finish what a recovery that was cut off left behind. Raises `OSError`,
    and `StoreError` for what is no regular file: a pipe in its place would block for ever."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_file(path)
    recovered = _recovered_name(path)
    if recovered.exists() and not path.exists():
        recovered.rename(path)


def require_file(path: Path) -> None:
    """Raise `StoreError` for what is there and no regular file."""
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        what = "a folder" if path.is_dir() else "not a regular file"
        raise StoreError(
            f"The chats cannot be kept in {path}: it is {what}. Give it another name, or put it"
            " elsewhere"
        )


def connect(path: Path, migrations: Sequence[Migration], busy_timeout_ms: int) -> apsw.Connection:
    """Open or create the file and bring its schema up to date.

    Raises `apsw.CorruptError` or `apsw.NotADBError` for a damaged file, `StoreError` for one of a
    later schema, and leaves both as they were found.
    """
    after_crash = size(log_of(path)) > 0
    if path.exists() and not after_crash:
        with closing(backup_files.open_unchanged(path)) as unchanged:  # leaves no log beside it
            _refuse_newer(path, unchanged, migrations)
    make_private(path)  # its log gets the same mode
    connection = apsw.Connection(str(path))
    try:
        if connection.readonly("main"):
            raise apsw.ReadOnlyError("the file opened for reading only")
        connection.set_busy_timeout(busy_timeout_ms)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        version = _refuse_newer(path, connection, migrations)
        if suspicion(path).exists():
            check_all(connection)
        elif after_crash or size(path) <= ALWAYS_CHECKED_BYTES:
            check_chats(connection)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        for pragma in (
            "journal_mode = WAL",
            f"journal_size_limit = {LOG_LIMIT_BYTES}",
            "synchronous = FULL",
            "fullfsync = ON",  # macOS: a plain fsync does not reach the disk there
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if 0 < version < len(migrations):
            target = backup_files.name_for(path, BackupReason.MIGRATION)
            backup_files.copy_now(connection, target)
            backup_files.rotate(path, BackupReason.MIGRATION)
        migrate(connection, migrations)
    except BaseException as error:
        # Whatever it was: nobody else knows the connection, and open it would keep the file
        # from being set aside on Windows.
        connection.close()
        if isinstance(error, apsw.SQLError) and "unsupported file format" in str(error):
            # Of a later SQLite, as the first page has it: no SQLite has such a format.
            raise apsw.CorruptError(str(error)) from error
        raise
    return connection


def connect_in_memory(path: Path, migrations: Sequence[Migration]) -> apsw.Connection:
    """A copy in memory of a file that can be read and not written, or is not there. Raises
    `apsw.Error`, and `StoreError` for one of a later schema."""
    n_bytes = size(path) + size(log_of(path))
    if n_bytes > MEMORY_LIMIT_BYTES:
        raise apsw.ReadOnlyError(
            f"the file opened for reading only, and {n_bytes:,} bytes are too many to work on"
            " in memory"
        )
    connection = apsw.Connection(":memory:")
    if path.exists():
        with (
            _opened_to_read(path) as source,
            connection.backup("main", source, "main") as backup,
        ):
            backup.step()
    _refuse_newer(path, connection, migrations)
    check_chats(connection)
    migrate(connection, migrations)
    return connection


def migrate(connection: apsw.Connection, migrations: Sequence[Migration]) -> None:
    """Take the steps of the schema that are missing. Foreign keys are enforced afterwards."""
    # A table that is made anew must not empty those that refer to it.
    connection.execute("PRAGMA foreign_keys = OFF").fetchall()
    version = schema_version(connection)
    for number, step in enumerate(migrations[version:], start=version + 1):
        with transaction(connection):
            step(connection)
            connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("PRAGMA foreign_keys = ON").fetchall()


def replace_damaged(path: Path, migrations: Sequence[Migration]) -> Recovery:
    """Put a new file with all that can be read in the place of a damaged one, which keeps its log
    and gets another name.

    The app may be killed at any point of it: the damaged file has its name until the new one is
    complete, and `prepare` knows that one's.
    """
    unfinished = path.with_name(path.name + backup_files.UNFINISHED)
    recovered = _recovered_name(path)
    for leftover in (unfinished, log_of(unfinished)):
        leftover.unlink(missing_ok=True)
    make_private(unfinished)
    with closing(apsw.Connection(str(unfinished))) as new:
        for pragma in ("foreign_keys = OFF", "synchronous = OFF"):
            new.execute(f"PRAGMA {pragma}").fetchall()
        try:
            with transaction(new):
                n_lost, may_miss_more = recover(path, new, migrations)
        except apsw.Error as error:
            logger.warning("nothing can be read of %s: %s", path, error)
            n_lost, may_miss_more = 0, True
        migrate(new, migrations)
        new.execute("PRAGMA foreign_keys = OFF").fetchall()
        with transaction(new):
            n_adopted = repair(new)
        n_chats, n_messages = (
            int(str(new.execute(f"SELECT count(*) FROM {table}").get))
            for table in ("conversations", "messages")
        )
    backup_files.sync(unfinished)
    unfinished.rename(recovered)
    damaged = _set_aside(path)
    recovered.rename(path)
    return Recovery(
        damaged=damaged,
        n_chats=n_chats,
        n_messages=n_messages,
        n_lost_chats=n_adopted,
        n_lost_messages=n_lost,
        may_miss_more=may_miss_more,
        has_backups=_has_backups(path),
    )


def _has_backups(path: Path) -> bool:
    try:
        return bool(backup_files.backups_of(path))
    except OSError:
        return False


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Commit what happens inside, or undo it when it raises."""
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


def check_chats(connection: apsw.Connection) -> None:
    """Raise `apsw.CorruptError` where chats are damaged. The search index is left out: it takes
    twenty times as long, and is made of the chats."""
    tables = connection.execute(SELECT_CHAT_TABLES).fetchall()
    for (table,) in tables:
        _require_ok(connection.execute(f"PRAGMA quick_check({table})").get)


def check_all(connection: apsw.Connection) -> None:
    """Raise `apsw.CorruptError` for any damage; takes half a minute for a million messages."""
    for problem in problems_of(connection, 1):
        raise apsw.CorruptError(problem)


def problems_of(connection: apsw.Connection, most: int) -> Iterator[str]:
    """All that is wrong with a file, at most ``most`` of each kind, in SQLite's words: also what it
    reads without a complaint, as a reply to nothing, and a text that is none."""
    for (found,) in connection.execute(f"PRAGMA integrity_check({most})"):
        if found != "ok":
            yield str(found)
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to what is not in {parent}"
    for table in TABLES:
        info = "SELECT name FROM pragma_table_info(?) WHERE type = 'TEXT'"
        names = [str(name) for (name,) in connection.execute(info, (table,))]
        columns = ", ".join(f"CAST({name} AS BLOB)" for name in names)
        if names and not all(map(_is_text, connection.execute(f"SELECT {columns} FROM {table}"))):
            yield f"a text in {table} is no UTF-8"


def _is_text(values: tuple[apsw.SQLiteValue, ...]) -> bool:
    try:
        for value in values:
            if isinstance(value, bytes):
                value.decode()
    except UnicodeDecodeError:
        return False
    return True


def suspect(path: Path) -> None:
    """Have the next start look at all, where the disk takes a note of that."""
    with suppress(OSError):
        suspicion(path).touch(mode=0o600)


def suspicion(path: Path) -> Path:
    """A file beside the chats that says that damage was met: the next start looks at all."""
    return path.with_name(path.name + ".damaged")


def _require_ok(report: apsw.SQLiteValue) -> None:
    if report != "ok":
        raise apsw.CorruptError(str(report))


def schema_version(connection: apsw.Connection) -> int:
    """How many steps of the schema the file has been through."""
    return int(str(connection.execute("PRAGMA user_version").get))


def _refuse_newer(path: Path, connection: apsw.Connection, migrations: Sequence[Migration]) -> int:
    """The schema of the file. Raises `StoreError` for one that only a newer app knows, and
    `apsw.CorruptError` where that cannot be."""
    version = schema_version(connection)
    if version > len(migrations) + MAX_LATER:
        raise apsw.CorruptError(f"format {version:,}")
    if version > len(migrations):
        raise newer_file(path, version, len(migrations))
    return version


def log_of(path: Path) -> Path:
    """The write-ahead log of a file."""
    return path.with_name(path.name + "-wal")


def size(path: Path) -> int:
    """In bytes; 0 for what is not there."""
    return path.stat().st_size if path.exists() else 0


def _recovered_name(path: Path) -> Path:
    return path.with_name(path.name + ".recovered")


def _set_aside(path: Path) -> Path:
    """Give a damaged file another name, with its log, so that a repair tool has all of it."""
    target = free_name(path, f"damaged-{backup_files.stamp()}")
    # The log first: a new database must never find the old one's.
    if log_of(path).exists():
        log_of(path).rename(log_of(target))
    path.rename(target)
    return target


@contextmanager
def _opened_to_read(path: Path) -> Iterator[apsw.Connection]:
    """With its log where there is one. SQLite reads a log only where it can write beside it: in a
    folder that is read-only, both are read from a copy elsewhere."""
    if size(log_of(path)) == 0:
        with closing(backup_files.open_unchanged(path)) as unchanged:
            yield unchanged
        return
    with ExitStack() as opened:
        try:
            source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            opened.enter_context(closing(source))
            schema_version(source)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            import tempfile  # late: it brings OpenSSL's library

            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="minerva-chats-"))
            copy = Path(folder, path.name)
            for original, name in ((path, copy), (log_of(path), log_of(copy))):
                shutil.copyfile(original, name)
            source = opened.enter_context(closing(apsw.Connection(str(copy))))
        yield source
