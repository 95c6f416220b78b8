"""Keeps the search index up behind the writes, a little at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from minerva_desktop.errors import StoreError
from minerva_desktop.store.database import Database
from minerva_desktop.store.search_index import index_some, is_waiting


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
