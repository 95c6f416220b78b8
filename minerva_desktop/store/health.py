"""Whether the file of the chats is whole, for the self-test: it is only read, also while a window
has it open, and no trace is left beside it. Any thread; all calls block.
"""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path

import apsw
import msgspec

from minerva_desktop.store import backup_files, opening
from minerva_desktop.store.database import BUSY_TIMEOUT_MS
from minerva_desktop.store.failures import reason_of
from minerva_desktop.store.migrations import MIGRATIONS

# Of a larger file only the tables of the chats are looked at, not texts and index.
WHOLE_BYTES = 256 * 1024 * 1024


class ChatsHealth(msgspec.Struct, frozen=True, kw_only=True):
    """``schema``: the format of the file, and ``known`` the newest that this app knows;
    ``n_bytes``: what it takes on disk, with its log while a window has it open; ``problem``: what
    is wrong with it, in words, else empty."""

    schema: int
    known: int
    n_bytes: int
    problem: str = ""


def sqlite_version() -> str:
    """Of the SQLite that chats are kept with."""
    return apsw.sqlite_lib_version()


def check_health(path: Path) -> ChatsHealth | None:
    """Look through the chats in ``path``, all of a file up to `WHOLE_BYTES`; None where there are
    none yet. Takes 2 s for 64 MB."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _sick(0, reason_of(path, error))
    if not stat.S_ISREG(status.st_mode):
        return _sick(0, "it is not a regular file")
    n_log_bytes = 0
    try:
        n_log_bytes = opening.size(opening.log_of(path))
        schema, problem = _read(path, unchanged=n_log_bytes == 0)
        if problem and path.with_name(path.name + "-shm").exists():
            # A window has it open, and may have written while it was looked through.
            schema, problem = _read(path, unchanged=False)
    except (apsw.Error, OSError) as error:
        return _sick(status.st_size + n_log_bytes, _words(path, error))
    return ChatsHealth(
        schema=schema,
        known=len(MIGRATIONS),
        n_bytes=status.st_size + n_log_bytes,
        problem=problem,
    )


def _sick(n_bytes: int, problem: str) -> ChatsHealth:
    return ChatsHealth(schema=0, known=len(MIGRATIONS), n_bytes=n_bytes, problem=problem)


def _words(path: Path, error: Exception) -> str:
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return _damaged(str(error))
    return reason_of(path, error)


def _damaged(how: str) -> str:
    return f"it is damaged ({how}); “Check for damage”, in the window's backups, says what helps"


def _read(path: Path, *, unchanged: bool) -> tuple[int, str]:
    """The schema, and what is wrong. ``unchanged``: nobody writes, and no log belongs to it."""
    if unchanged:
        connection = backup_files.open_unchanged(path)
    else:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    with closing(connection):
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        schema = opening.schema_version(connection)
        try:
            if schema <= len(MIGRATIONS) and opening.size(path) <= WHOLE_BYTES:
                problem = next(opening.problems_of(connection, 1), "")
            else:
                opening.check_chats(connection)
                problem = ""
        except apsw.CorruptError as error:
            problem = str(error)
    return schema, _damaged(problem) if problem else ""
