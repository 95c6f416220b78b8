"""Looking after the chats on disk: copies, damage, and a disk that does not take them.

Lives on the thread and asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.store.backup_files import Backup, BackupReason
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import DiskTrouble
from minerva_desktop.units import format_bytes

_WHY = MappingProxyType(
    {
        BackupReason.DAILY: "daily",
        BackupReason.MIGRATION: "before a change of the format",
        BackupReason.RESTORE: "before a restore",
        BackupReason.ASKED: "made by you",
    }
)


class KeptCopy(msgspec.Struct, frozen=True):
    """A copy of all chats. ``created_at`` is Unix time in seconds, ``why`` says why it was made."""

    path: Path
    created_at: float
    n_bytes: int
    why: str


class SavingTrouble(msgspec.Struct, frozen=True):
    """What there is to say while changes wait for the disk."""

    text: str
    detail: str


class ChatCare:
    """All coroutines raise `StoreError`. Chats are replaced inside of ``replacing``: nobody may
    write into them then."""

    def __init__(
        self,
        store: ChatStore,
        replacing: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._store = store
        self._replacing = replacing

    async def copies(self) -> list[KeptCopy]:
        """All that are kept, the newest first."""
        return [_copy(backup) for backup in await self._store.backups()]

    async def copy(self, target: Path | None = None) -> Path:
        """Copy all chats to a file that is not there yet, or beside the other copies; where to."""
        return await self._store.back_up(target)

    async def restore(self, path: Path) -> KeptCopy | None:
        """Put a copy in the place of all chats; the copy that was made of these before."""
        async with self._replacing():
            await self._store.restore_backup(path)
        replaced = (
            backup
            for backup in await self._store.backups()
            if backup.reason is BackupReason.RESTORE
        )
        newest = next(replaced, None)
        return None if newest is None else _copy(newest)

    async def save_elsewhere(self, target: Path) -> None:
        """Write all chats, also what waits for the disk, to a file that is not there yet."""
        await self._store.save_elsewhere(target)

    async def try_again(self) -> bool:
        """Whether the disk takes all that waits for it, or nothing does."""
        return await self._store.try_again()

    async def damage(self, *, is_quick: bool = False) -> list[str]:
        """Look through all of the file; what is wrong with it, in SQLite's words. ``is_quick``: as
        the start does it, where that left it out because the file is large."""
        return await self._store.check(is_quick=is_quick)


def saving_trouble(trouble: DiskTrouble | None) -> SavingTrouble | None:
    """``trouble`` in words."""
    if trouble is None:
        return None
    n = trouble.n_writes
    waits = {0: "Changes wait", 1: "1 change waits"}.get(n, f"{n:,} changes wait")
    text = (
        f"The chats cannot be saved: {trouble.reason}. {waits} in memory, and the disk is tried "
        "again every few seconds. Nothing is lost while Minerva runs."
    )
    detail = (
        f"{format_bytes(trouble.free_bytes)} are free on the disk of the chats. Changes have "
        f"waited for {trouble.seconds:,.0f} seconds."
    )
    return SavingTrouble(text, detail)


def _copy(backup: Backup) -> KeptCopy:
    return KeptCopy(backup.path, backup.created_at, backup.n_bytes, _WHY[backup.reason])
