"""The chats, opened for one command. On its loop. What was recovered of a damaged file is told on
stderr."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.reading import ReadingStore, open_for_reading


@asynccontextmanager
async def reading(database: Path) -> AsyncIterator[ReadingStore]:
    """For reading, beside a window that has them open. Raises `StoreError`."""
    store = await open_for_reading(database)
    _tell_recovery(store)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def writing(database: Path) -> AsyncIterator[ChatStore]:
    """For reading and writing. Raises `StoreError`, also where a window has them open."""
    try:
        store = await ChatStore.open(database)
    except StoreError as error:
        if not error.detail.startswith("BusyError"):
            raise
        raise StoreError(
            "Minerva is open and has the chats: close its window (and other imports) first"
        ) from error
    _tell_recovery(store)
    try:
        yield store
    except BaseException:
        # Whatever it was, Ctrl+C too: the lock is not to stay until the process ends.
        with suppress(StoreError):  # that of before says more
            await store.close()
        raise
    await store.close()


def _tell_recovery(store: ChatStore) -> None:
    if store.recovery is not None:
        print(store.recovery.words, file=sys.stderr)
