"""`TrashCare`: destroys what has been in the trash for long.

Lives on the thread and asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore

DAY_SECONDS = 24 * 3600.0
TRASH_SECONDS = 30 * DAY_SECONDS
LOOK_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class TrashCare:
    """At the start, and each day while the app runs: some people never close it."""

    def __init__(
        self,
        store: ChatStore,
        snapshots: SnapshotFiles,
        on_gone: Callable[[], None],
        clock: Callable[[], float] = time.time,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """``on_gone`` is called when chats went while the app ran. ``clock`` tells Unix time in
        seconds; every ``look_seconds`` it is looked at whether a day has passed."""
        self._store = store
        self._snapshots = snapshots
        self._on_gone = on_gone
        self._clock = clock
        self._look_seconds = look_seconds
        self._tidied_at = 0.0
        self._daily: asyncio.Task[None] | None = None

    async def tidy(self) -> None:
        """Do it now, and each day from now on. Raises `StoreError`."""
        await self._purge()
        if self._daily is None:
            self._daily = asyncio.ensure_future(self._tidy_daily())

    async def close(self) -> None:
        """Do it no more; idempotent."""
        if self._daily is not None:
            self._daily.cancel()
            await asyncio.wait([self._daily])

    async def _purge(self) -> list[str]:
        self._tidied_at = self._clock()
        gone = await self._store.purge_trash(TRASH_SECONDS)
        for conversation_id in gone:
            await asyncio.to_thread(self._snapshots.remove, conversation_id)
        return gone

    async def _tidy_daily(self) -> None:
        while True:
            # By the clock on the wall: the loop's stands still while the machine sleeps.
            await asyncio.sleep(self._look_seconds)
            if abs(self._clock() - self._tidied_at) < DAY_SECONDS:
                continue
            try:
                if await self._purge():
                    self._on_gone()
            except StoreError as error:
                _log.warning("The trash could not be tidied: %s", error)
