"""Looking after the file of the chats while the app runs: backups, checks, and a disk that fails.

Used by `chat_store`, on its asyncio loop; what may take long goes on beside other work.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import apsw

from minerva_desktop.errors import StoreError, os_reason
from minerva_desktop.paths import BACKUPS
from minerva_desktop.store import backup_files, opening, recovery_note
from minerva_desktop.store.backup_files import Backup, BackupReason, Copy
from minerva_desktop.store.database import Database, DiskTrouble

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

RETRY_SECONDS = 3.0
# The start of the app is busy enough; and `minerva chats` is over before.
FIRST_BACKUP_SECONDS = 60.0
BACKUP_LOOK_SECONDS = 3600.0
MAX_PROBLEMS = 100
STOP_STEPS = 100_000  # of SQLite, between looks at whether a check is to stop


class Care:
    """``on_trouble`` is called on the loop that called `begin`."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        on_trouble: Callable[[DiskTrouble | None], None] | None,
        retry_seconds: float,
    ) -> None:
        self.trouble: DiskTrouble | None = None
        self._database = database
        self._clock = clock
        self._on_trouble = on_trouble
        self._retry_seconds = retry_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._copying = asyncio.Lock()

    def begin(self) -> None:
        """Listen to the database, and make daily backups."""
        loop = asyncio.get_running_loop()

        def tell(trouble: DiskTrouble | None) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._heard, trouble)

        self._database.on_trouble = tell
        self._start(self._back_up_daily())

    async def end(self) -> None:
        """Stop what goes on; idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def take_recovery_words(self) -> str:
        """What `recovery_note` keeps; where the disk did not take that, what was recovered here."""
        noted = await asyncio.to_thread(recovery_note.take, self._database.path)
        recovery = self._database.recovery
        return noted or (recovery.words if recovery is not None else "")

    # -- a disk that fails ---------------------------------------------------------------------

    def _heard(self, trouble: DiskTrouble | None) -> None:
        before, self.trouble = self.trouble, trouble
        if before is None and trouble is not None:
            self._start(self._retry())
        if self._on_trouble is not None and (before, trouble) != (None, None):
            self._on_trouble(trouble)

    async def _retry(self) -> None:
        while self.trouble is not None:
            await asyncio.sleep(self._retry_seconds)
            with suppress(StoreError):  # logged, and tried again
                await finished(self._database.try_again())

    # -- backups -------------------------------------------------------------------------------

    async def backups(self) -> list[Backup]:
        """The newest first. Raises `StoreError`."""
        with _said(self._database.path.parent / BACKUPS):
            return await asyncio.to_thread(backup_files.backups_of, self._database.path)

    async def back_up(self, target: Path | None) -> Path:
        """Where the copy is. Raises `StoreError`."""
        if target is not None:
            await asyncio.to_thread(backup_files.refuse_taken, target)
        return await self._copy(BackupReason.ASKED, target)

    async def restore(self, backup: Path) -> None:
        """Put a copy in the place of the chats. Raises `StoreError`."""
        path, known = self._database.path, self._database.n_schema_steps
        await asyncio.to_thread(backup_files.refuse_open, backup, path)
        await asyncio.to_thread(backup_files.check_backup, backup, known)
        await self._copy(BackupReason.RESTORE, None)
        await finished(self._database.replace_with(backup))

    async def _back_up_daily(self) -> None:
        await asyncio.sleep(FIRST_BACKUP_SECONDS)
        while True:
            try:
                await self.back_up_if_due()
            except StoreError as error:
                logger.warning("no daily backup: %s", error)
            await asyncio.sleep(BACKUP_LOOK_SECONDS)

    async def back_up_if_due(self) -> None:
        """Make a daily backup where the last one is a day old and there are chats. Raises
        `StoreError`."""
        path = self._database.path
        if await asyncio.to_thread(backup_files.is_daily_due, path, self._clock()):
            await self._copy(BackupReason.DAILY, None)

    async def _copy(self, reason: BackupReason, target: Path | None) -> Path:
        if self.trouble is not None:
            raise StoreError(
                f"No backup can be made while changes wait for the disk: {self.trouble.reason}."
                " Save the chats elsewhere instead"
            )
        path = self._database.path
        async with self._copying:
            with _said(path.parent / BACKUPS if target is None else target):
                if target is not None:
                    return await self._copy_to(target)
                kept = await asyncio.to_thread(backup_files.name_for, path, reason)
                await self._copy_to(kept)
                await asyncio.to_thread(backup_files.rotate, path, reason)
        return kept

    async def _copy_to(self, target: Path) -> Path:
        copy, n_steps = Copy(target), 0
        try:
            while not await finished(self._database.run(copy.step)):
                n_steps += 1
                if n_steps % backup_files.STEPS_A_SYNC == 0:
                    await asyncio.to_thread(copy.sync)
            await asyncio.to_thread(copy.finish)
        finally:
            await finished(self._database.call(copy.drop))
        return target

    # -- checks --------------------------------------------------------------------------------

    async def check(self, *, is_quick: bool) -> list[str]:
        """What is wrong with the file, which the next start then mends; ``is_quick``: of one that
        is too large to be looked through at the start, as that does it."""
        path = self._database.path
        look = _Look(path, is_quick=is_quick)
        try:
            problems = await asyncio.to_thread(look.problems)
        except asyncio.CancelledError:
            look.stop()
            raise
        if problems:
            await asyncio.to_thread(opening.suspect, path)
        return problems

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def finished(future: Future[Result]) -> Result:
    """Wait for work that must not be withdrawn when the waiting task is cancelled."""
    return await asyncio.shield(asyncio.wrap_future(future))


class _Look:
    """Looks for damage on a connection of its own, so that no write waits for it; `stop` from any
    thread ends that."""

    def __init__(self, path: Path, *, is_quick: bool) -> None:
        self._path = path
        self._is_quick = is_quick
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """What is found by then does not count."""
        self._is_stopped.set()

    def problems(self) -> list[str]:
        """All that is wrong, or, quickly, the first of it. Blocking."""
        if self._is_quick and opening.size(self._path) <= opening.ALWAYS_CHECKED_BYTES:
            return []
        try:
            flags = apsw.SQLITE_OPEN_READONLY
            with closing(apsw.Connection(str(self._path), flags=flags)) as connection:
                connection.set_progress_handler(self._is_stopped.is_set, STOP_STEPS)
                if not self._is_quick:
                    return list(opening.problems_of(connection, MAX_PROBLEMS))
                opening.check_chats(connection)
        except apsw.InterruptError:
            pass
        except apsw.Error as error:
            if not self._is_quick or isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
                return [str(error)]
            logger.info("the chats were not looked through: %s", error)
        return []


@contextmanager
def _said(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"No backup can be kept in {place}: {os_reason(error)}") from error
