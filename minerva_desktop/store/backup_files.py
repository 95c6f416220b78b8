"""Copies of the chats, in a folder beside their file: their names, which are kept, how they are
made and brought back.

Any thread; what takes a connection runs on the database's.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path

import apsw
import msgspec

from minerva_desktop.errors import StoreError, os_reason
from minerva_desktop.paths import BACKUPS, make_private
from minerva_desktop.store.failures import reason_of

UNFINISHED = ".part"  # at the end of a name
LEFTOVER_SECONDS = 60.0
# How many of each kind are kept.
N_KEPT = 7
# A step of 0.8 MB takes some milliseconds; a whole copy of a large file takes seconds.
PAGES_A_STEP = 200
# Where the system is left with more than 8 MB to write, a message that has to be on the disk waits
# behind all of it: at the end of a copy of 1.5 GB 0.2 to 3.4 s (ext4, **measured**).
STEPS_A_SYNC = 10


class BackupReason(StrEnum):
    """Why a copy was made."""

    DAILY = "daily"
    MIGRATION = "migration"
    RESTORE = "restore"
    ASKED = "asked"


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of all chats. ``created_at`` is Unix time in seconds; ``reason``: it was made each
    day, before a migration, before another one was restored, or because a person asked."""

    path: Path
    created_at: float
    n_bytes: int
    reason: BackupReason


def backups_of(path: Path) -> list[Backup]:
    """The copies of the chats in ``path``, the newest first. Raises `OSError`."""
    pattern, found = _names(path), []
    folder = path.parent / BACKUPS
    for file in folder.iterdir() if folder.is_dir() else ():
        match = pattern.fullmatch(file.name)
        if match is not None:
            facts = file.stat()
            found.append(
                Backup(
                    path=file,
                    created_at=facts.st_mtime,
                    n_bytes=facts.st_size,
                    reason=BackupReason(match[2]),
                )
            )
    return sorted(found, key=lambda backup: (backup.created_at, backup.path.name), reverse=True)


def name_for(path: Path, reason: BackupReason) -> Path:
    """Where a copy goes that is made now; its folder is made. Raises `OSError`."""
    folder = path.parent / BACKUPS
    folder.mkdir(mode=0o700, exist_ok=True)
    return free_name(folder / path.name, f"{stamp()}-{reason.value}")


def stamp() -> str:
    """The local time as names have it."""
    return time.strftime("%Y%m%d-%H%M%S")


def free_name(path: Path, label: str) -> Path:
    """A name beside ``path`` that is not taken: chats.db, chats-damaged.db, chats-damaged-2.db."""
    candidate = path.with_name(f"{path.stem}-{label}{path.suffix}")
    number = 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{label}-{number}{path.suffix}")
    return candidate


def refuse_taken(target: Path) -> None:
    """Raise `StoreError` where there is a file already."""
    if target.exists():
        raise StoreError(f"There is a file at {target} already; choose another name")


def rotate(path: Path, reason: BackupReason) -> None:
    """Delete the oldest copies of that kind beyond `N_KEPT`. Raises `OSError`."""
    of_kind = [backup for backup in backups_of(path) if backup.reason is reason]
    for backup in of_kind[N_KEPT:]:
        backup.path.unlink(missing_ok=True)


def remove_leftovers(path: Path, now: float) -> None:
    """Delete the unfinished copies, and the unfinished recovery, of a process that was killed.
    For who holds the lock of ``path``; what was written within `LEFTOVER_SECONDS` of ``now``, Unix
    time, stays. Raises `OSError`."""
    folder, pattern = path.parent / BACKUPS, _names(path)
    files = [path.with_name(path.name + UNFINISHED)]
    files += [
        file
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.name.endswith(UNFINISHED) and pattern.fullmatch(file.name.removesuffix(UNFINISHED))
    ]
    for file in files:
        if file.is_file() and file.stat().st_mtime < now - LEFTOVER_SECONDS:
            for name in (file.name, file.name + "-wal", file.name + "-journal"):
                file.with_name(name).unlink(missing_ok=True)


def _names(path: Path) -> re.Pattern[str]:
    """What the copies of ``path`` are called: the time, and why."""
    return re.compile(
        rf"{re.escape(path.stem)}-(\d{{8}}-\d{{6}})-({'|'.join(BackupReason)})(?:-\d+)?"
        rf"{re.escape(path.suffix)}"
    )


def is_daily_due(path: Path, now: float) -> bool:
    """Whether a day passed since the last daily copy; also where its time is in the future."""
    times = [b.created_at for b in backups_of(path) if b.reason is BackupReason.DAILY]
    return not any(0 <= now - at < 24 * 3600 for at in times)


class Copy:
    """A copy of an open database that is made step by step, so that others get their turn.

    `step` until it says True, then `finish` on any thread; `drop` instead, at any time. Nothing is
    at ``target`` before the end.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._unfinished = target.with_name(target.name + UNFINISHED)
        self._copy: apsw.Connection | None = None
        self._backup: apsw.Backup | None = None

    def step(self, connection: apsw.Connection) -> bool:
        """Copy some pages; whether that were the last ones. Raises `StoreError` and `OSError`."""
        try:
            return self._copied(connection)
        except apsw.Error as error:
            raise StoreError(
                f"The copy {self._target} cannot be written: {reason_of(self._target, error)}",
                detail=f"{type(error).__name__}: {error}",
            ) from error

    def sync(self) -> None:
        """Have on the disk what was copied by now; any thread. Raises `OSError`."""
        sync(self._unfinished)

    def finish(self) -> None:
        """Give the copy its name. Raises `OSError`."""
        sync(self._unfinished)
        self._unfinished.rename(self._target)
        sync(self._target.parent)

    def drop(self) -> None:
        """Leave nothing behind, also after `finish`, which this does not undo."""
        self._close()
        self._unfinished.unlink(missing_ok=True)

    def _copied(self, connection: apsw.Connection) -> bool:
        if self._backup is None:
            self._unfinished.unlink(missing_ok=True)
            make_private(self._unfinished)
            self._copy = apsw.Connection(str(self._unfinished))
            # The file has its name only once it is on the disk.
            for pragma in ("journal_mode = OFF", "synchronous = OFF"):
                self._copy.execute(f"PRAGMA {pragma}").fetchall()
            self._backup = self._copy.backup("main", connection, "main")
        self._backup.step(PAGES_A_STEP)
        if not self._backup.done:
            return False
        self._close()
        return True

    def _close(self) -> None:
        if self._backup is not None:
            self._backup.close(True)
            self._backup = None
        if self._copy is not None:
            self._copy.close()
            self._copy = None


def copy_now(connection: apsw.Connection, target: Path) -> None:
    """A whole copy at once. Raises `StoreError` and `OSError`."""
    copy = Copy(target)
    try:
        while not copy.step(connection):
            pass
        copy.finish()
    finally:
        copy.drop()


def refuse_open(backup: Path, chats: Path) -> None:
    """Raise `StoreError` where the copy is the file ``chats`` itself, or changes to it wait in
    another file, which reading it unchanged would leave out."""
    waiting = backup.with_name(f"{backup.name}-wal")
    try:
        is_same = backup.samefile(chats)
        waits = waiting.exists() and waiting.stat().st_size > 0
    except OSError as error:
        raise StoreError(f"{backup} cannot be read: {os_reason(error)}") from error
    if is_same:
        raise StoreError(f"{backup} holds the chats that are open: there is nothing to restore")
    if waits:
        raise StoreError(
            f"A part of the chats in {backup} is in {waiting.name} yet. Open them with the Minerva"
            " they belong to, and back them up there"
        )


def check_backup(backup: Path, known: int) -> None:
    """Raise `StoreError` unless it is a whole file with chats, of a schema up to ``known``."""
    try:
        with closing(open_unchanged(backup)) as connection:
            version = int(str(connection.execute("PRAGMA user_version").get))
            report = connection.execute("PRAGMA quick_check(1)").get
            connection.execute("SELECT count(*) FROM conversations").fetchall()
    except (apsw.Error, OSError) as error:
        raise StoreError(f"{backup} is no backup of chats that can be read: {error}") from error
    if report != "ok":
        raise StoreError(f"The backup {backup} is damaged: {report}")
    if not 0 < version <= known:
        raise StoreError(
            f"The backup {backup} has format {version}; this Minerva knows up to {known}."
            " Update the app to restore it"
        )


def open_unchanged(path: Path) -> apsw.Connection:
    """Open a file that nobody writes to, without leaving a trace beside it."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(path.absolute().as_uri() + "?immutable=1", flags=flags)


def sync(path: Path) -> None:
    """Have a file, or a folder's names, on the disk. Raises `OSError`."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
