"""The chats, opened for one command. On its loop. What was recovered of a damaged file is told on
stderr."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.failures import is_damage
from minerva_desktop.store.reading import ReadingStore, open_for_reading

Result = TypeVar("Result")

MOST_REPEATS = 2  # more damage may be met behind the first


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


async def recovering(
    work: Callable[[], Awaitable[Result]], database: Path, *, repeats: bool
) -> Result:
    """What ``work``, which opens the chats by itself, comes to. Damage that it meets is recovered
    from at once, as the next start would, and it is done again where it ``repeats``: it goes on
    then with what it has written. Raises `StoreError`, and for that, too, that it was recovered."""
    n_left = MOST_REPEATS
    while True:
        try:
            return await work()
        except StoreError as error:
            if not is_damage(error) or not n_left:
                raise
            if not repeats:
                async with reading(database) as store:
                    if store.recovery is None:  # a window has the chats
                        raise
                raise StoreError(
                    "The chats were found damaged in the middle of it, and are recovered now: do it"
                    " again"
                ) from error
            n_left -= 1  # the damage is noted, so that opening recovers and tells


def _tell_recovery(store: ChatStore) -> None:
    if store.recovery is not None:
        print(store.recovery.words, file=sys.stderr)
