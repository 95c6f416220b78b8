"""Keeps the search index up behind the writes, a little at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from minerva_desktop.errors import StoreError
from minerva_desktop.store.database import Database
from minerva_desktop.store.search_index import index_some, is_waiting, n_waiting


class Indexer:
    """Queues its work on the thread of ``database``, behind what is asked for before it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_backlog = False  # touched on the database's thread

    def take_up(self) -> None:
        """Have what was just written found by what is asked for next. Any thread.

        Where more waits than fits in one go, as after an import, the rest follows in between other
        work; what is left when the store is closed, after the next start.
        """
        self._step(self._on_taken_up)

    async def finish(self, on_waiting: Callable[[int], None]) -> None:
        """Take up all that waits; ``on_waiting`` is told, on the loop, how many messages still do.
        Ends early where writes wait for the disk. Raises `StoreError`."""
        while await asyncio.wrap_future(self._database.tidy(is_waiting, index_some)):
            on_waiting(await asyncio.wrap_future(self._database.run(n_waiting)))

    def _step(self, then: Callable[[Future[bool]], None]) -> None:
        with suppress(StoreError):  # closed
            self._database.tidy(is_waiting, index_some).add_done_callback(then)

    def _on_taken_up(self, done: Future[bool]) -> None:
        if not self._has_backlog:
            self._on_gone_on(done)

    def _on_gone_on(self, done: Future[bool]) -> None:
        self._has_backlog = done.exception() is None and done.result()
        if self._has_backlog:
            self._step(self._on_gone_on)
