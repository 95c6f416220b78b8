"""Finding words in titles and messages, the newest first.

Runs on the database's thread, page by page, and no page takes much longer than `PAGE_SECONDS`,
because writes wait behind it: one that has not found enough by then says where the next one goes
on.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apsw
import msgspec

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.store.conversation_rows import SELECT_TAGS_OF, SUMMARY, summary_of
from minerva_desktop.store.search_index import n_waiting
from minerva_desktop.store.search_query import SearchQuery
from minerva_desktop.store.search_sources import MAX_WAITING, Candidate, candidates, scope_of
from minerva_desktop.store.snippets import Snippet, marks_of, snippet_of
from minerva_desktop.store.text_folding import fold

PAGE_SECONDS = 0.04

SELECT_SUMMARY = f"SELECT {SUMMARY} FROM conversations WHERE id = ? AND deleted_at IS NULL"
SELECT_TITLES = """
    SELECT row, updated_at, model, id FROM conversations
    WHERE deleted_at IS NULL AND (updated_at, row) < (?, ?){}
    ORDER BY updated_at DESC, row DESC
"""


class SearchPlace(msgspec.Struct, frozen=True):
    """Where a search goes on: with messages before a row, with titles before a time and a row."""

    row: int = 2**62
    title_time: float = math.inf
    title_row: int = 2**62


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """A title (``message_id`` None) or a message that matches; ``time``, Unix time in seconds, is
    when the chat was last changed or the message written."""

    conversation: ConversationSummary
    message_id: str | None
    time: float
    snippet: Snippet


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """Hits, the newest first. ``next`` is where the search goes on, also after a page without any;
    None at its end. ``n_unindexed`` messages cannot be found yet: for a while after an old file was
    opened or many chats were imported."""

    hits: tuple[SearchHit, ...]
    next: SearchPlace | None
    n_unindexed: int


class _Found(NamedTuple):
    """A hit and where the search goes on behind it; without one: where its time was over."""

    time: float
    place: dict[str, Any]
    hit: SearchHit | None


def page_of(
    connection: apsw.Connection,
    query: SearchQuery,
    place: SearchPlace,
    limit: int,
    clock: Callable[[], float] = time.monotonic,
) -> SearchPage:
    """At most ``limit`` hits. ``clock`` tells seconds."""
    search = _Search(connection, query, place, clock)
    n_unindexed = max(0, n_waiting(connection) - MAX_WAITING)
    hits: list[SearchHit] = []
    for found in heapq.merge(search.titles(), search.messages(), key=lambda each: -each.time):
        place = msgspec.structs.replace(place, **found.place)
        if found.hit is not None:
            hits.append(found.hit)
        if found.hit is None or len(hits) == limit:
            return SearchPage(hits=tuple(hits), next=place, n_unindexed=n_unindexed)
    return SearchPage(hits=tuple(hits), next=None, n_unindexed=n_unindexed)


class _Search:
    """One page's worth of looking."""

    def __init__(
        self,
        connection: apsw.Connection,
        query: SearchQuery,
        place: SearchPlace,
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._query = query
        self._place = place
        self._clock = clock
        self._deadline = clock() + PAGE_SECONDS
        self._scope = scope_of(connection, query)
        self._summaries: dict[str, ConversationSummary | None] = {}

    def titles(self) -> Iterator[_Found]:
        """Chats whose title has all words; without words, all chats that the filters leave."""
        words = self._query.words
        statement = SELECT_TITLES.format(" AND instr(folded_title, ?) > 0" * len(words))
        bindings = (self._place.title_time, self._place.title_row, *words)
        for row, updated_at, model, id_ in self._connection.execute(statement, bindings):
            if not (self._is_in_scope(id_) and self._is_asked_for(str(model or ""), updated_at)):
                continue
            summary = self._summary(id_)
            if summary is not None:
                snippet = Snippet(summary.title, marks_of(summary.title, words))
                hit = SearchHit(
                    conversation=summary, message_id=None, time=summary.updated_at, snippet=snippet
                )
                yield _Found(hit.time, {"title_time": hit.time, "title_row": row}, hit)

    def messages(self) -> Iterator[_Found]:
        """Messages that have all words."""
        words = self._query.words
        if not words:
            return
        row = self._place.row
        for candidate in candidates(self._connection, self._query, self._scope, row):
            if isinstance(candidate, int):
                hit, row = None, candidate
            else:
                hit, row = self._hit(candidate), candidate.row
            if hit is not None:
                yield _Found(row, {"row": row}, hit)
            elif self._clock() > self._deadline:
                yield _Found(row, {"row": row}, None)
                return

    def _hit(self, candidate: Candidate) -> SearchHit | None:
        if not self._is_in_scope(candidate.conversation_id):
            return None
        folded = fold(candidate.text)
        if not all(word in folded for word in self._query.words):
            return None
        summary = self._summary(candidate.conversation_id)
        if summary is None:
            return None
        model = candidate.model or summary.model or ""
        if not self._is_asked_for(model, candidate.created_at):
            return None
        return SearchHit(
            conversation=summary,
            message_id=candidate.id,
            time=candidate.created_at,
            snippet=snippet_of(candidate.text, self._query.words, folded),
        )

    def _is_in_scope(self, conversation_id: str) -> bool:
        ids = self._scope.conversation_ids
        return ids is None or conversation_id in ids

    def _is_asked_for(self, model: str, at: float) -> bool:
        query = self._query
        if query.before is not None and at >= query.before:
            return False
        if query.after is not None and at < query.after:
            return False
        return all(wanted in fold(model) for wanted in query.models)

    def _summary(self, conversation_id: str) -> ConversationSummary | None:
        """None for a chat in the trash."""
        if conversation_id not in self._summaries:
            bindings = (conversation_id,)
            row = self._connection.execute(SELECT_SUMMARY, bindings).fetchone()
            tags = self._connection.execute(SELECT_TAGS_OF, bindings)
            self._summaries[conversation_id] = (
                None if row is None else summary_of(row, [str(tag) for (tag,) in tags])
            )
        return self._summaries[conversation_id]
