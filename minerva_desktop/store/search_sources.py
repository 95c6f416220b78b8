"""Where a search looks for messages: each source gives those that may match, the newest first.

Runs on the database's thread. A source may give messages that do not match (the search compares
all of them itself) but leaves none out. Where it looked for a while in vain, it gives the row down
to which it is through.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import apsw
import msgspec

from minerva_desktop.store.search_index import (
    CHUNK_BITS,
    MIN_INDEXED,
    PART_BITS,
    gram_conditions,
    part_name,
)
from minerva_desktop.store.search_query import SearchQuery
from minerva_desktop.store.searched_text import SEARCHED_TEXT
from minerva_desktop.store.text_folding import fold

# Up to so many messages are read one by one, where the filters leave no more; a page has time for
# about 10,000.
MAX_LISTED = 5_000
MAX_LISTED_CHATS = 500
# Up to so many messages that the index has not taken up yet are looked at one by one.
MAX_WAITING = 200
# By how many seconds a message's row may be ahead of its time, where many are of the same second.
ROW_SLACK = 24 * 3600

CANDIDATE = f"messages.row, id, conversation_id, created_at, messages.model, {SEARCHED_TEXT}"
BY_INDEX = f"""
    SELECT {CANDIDATE} FROM {{0}} CROSS JOIN messages ON messages.row = {{0}}.rowid
    WHERE {{0}} MATCH ? AND {{0}}.rowid >= ? AND {{0}}.rowid < ? AND deleted_at IS NULL
    ORDER BY {{0}}.rowid DESC
"""
SELECT_WAITING = "SELECT row FROM unindexed WHERE row >= ? AND row < ? ORDER BY row DESC LIMIT ?"
SELECT_PARTS = "SELECT id FROM search_parts WHERE id >= ? AND id <= ? ORDER BY id DESC"
BY_TIME = f"""
    SELECT {CANDIDATE} FROM messages
    WHERE row >= ? AND row < ? AND deleted_at IS NULL ORDER BY row DESC
"""
BY_ROW = f"SELECT {CANDIDATE} FROM messages WHERE row = ? AND deleted_at IS NULL"
SELECT_CHUNKS = "SELECT id FROM search_chunks WHERE id >= ? AND id <= ?{} ORDER BY id DESC"
SELECT_ROWS = "SELECT row FROM messages WHERE conversation_id = ? AND row >= ? AND row < ?"
COUNT_ROWS = "SELECT max(seq) FROM messages WHERE conversation_id = ?"


class Candidate(msgspec.Struct, frozen=True):
    """A message that may match; ``row`` is its place in the order of time."""

    row: int
    id: str
    conversation_id: str
    created_at: float
    model: str | None
    text: str  # and the names of its files


class Scope(msgspec.Struct, frozen=True):
    """The chats that the filters of folder, tag and pin leave; None: all. ``is_narrow``: they hold
    so few messages that these are read one by one."""

    conversation_ids: frozenset[str] | None
    is_narrow: bool


def scope_of(connection: apsw.Connection, query: SearchQuery) -> Scope:
    """Which chats ``query`` is about."""
    if not (query.folders or query.tags or query.is_pinned):
        return Scope(None, is_narrow=False)
    conditions = ["deleted_at IS NULL"]
    bindings: list[str | int] = []
    for is_pinned in query.is_pinned:
        conditions.append("is_pinned = ?")
        bindings.append(is_pinned)
    for wanted in query.folders:
        ids = _beginning(connection, "SELECT name, id FROM folders", wanted)
        conditions.append(f"folder_id IN ({_marks(ids)})")
        bindings += ids
    for wanted in query.tags:
        tags = _beginning(connection, "SELECT DISTINCT tag, tag FROM tags", wanted)
        conditions.append(f"id IN (SELECT conversation_id FROM tags WHERE tag IN ({_marks(tags)}))")
        bindings += tags
    statement = f"SELECT id FROM conversations WHERE {' AND '.join(conditions)}"
    found = frozenset(str(row[0]) for row in connection.execute(statement, bindings))
    return Scope(found, is_narrow=_is_narrow(connection, found))


def candidates(
    connection: apsw.Connection, query: SearchQuery, scope: Scope, before_row: int
) -> Iterator[Candidate | int]:
    """Messages before that row that may have all words of ``query``, and the times it asks for."""
    low = -(2**62) if query.after is None else int(query.after)
    high = before_row if query.before is None else min(before_row, int(query.before) + ROW_SLACK)
    if scope.conversation_ids is not None and scope.is_narrow:
        return _listed(connection, scope.conversation_ids, low, high)
    long = [word for word in query.words if len(word) >= MIN_INDEXED]
    if long:
        indexed = _by_index(connection, long, low, high)
    else:
        indexed = _in_chunks(connection, query.words, low, high)
    return _once(heapq.merge(_waiting(connection, low, high), indexed, key=_from_newest))


def _once(found: Iterator[Candidate | int]) -> Iterator[Candidate | int]:
    """A message that waits to be indexed anew is in the index with its old text, too."""
    before: int | None = None
    for each in found:
        if isinstance(each, Candidate):
            if each.row == before:
                continue
            before = each.row
        yield each


def _from_newest(found: Candidate | int) -> int:
    return -found if isinstance(found, int) else -found.row


def _waiting(connection: apsw.Connection, low: int, high: int) -> Iterator[Candidate | int]:
    """What was written just now, and not taken up yet."""
    for (number,) in connection.execute(SELECT_WAITING, (low, high, MAX_WAITING)).fetchall():
        row = connection.execute(BY_ROW, (number,)).fetchone()
        if row is not None:
            yield Candidate(*row)


def _by_index(
    connection: apsw.Connection, words: Sequence[str], low: int, high: int
) -> Iterator[Candidate | int]:
    phrases = " AND ".join('"' + word.replace('"', '""') + '"' for word in words)
    parts = connection.execute(SELECT_PARTS, (low >> PART_BITS, high >> PART_BITS)).fetchall()
    for (part,) in parts:
        name = part_name(int(str(part)))
        for row in connection.execute(BY_INDEX.format(name), (phrases, low, high)):
            yield Candidate(*row)
        yield int(str(part)) << PART_BITS


def _listed(
    connection: apsw.Connection, conversation_ids: frozenset[str], low: int, high: int
) -> Iterator[Candidate]:
    rows: list[int] = []
    for conversation_id in conversation_ids:
        bindings = (conversation_id, low, high)
        rows += [int(str(row[0])) for row in connection.execute(SELECT_ROWS, bindings)]
    for number in sorted(rows, reverse=True):
        row = connection.execute(BY_ROW, (number,)).fetchone()
        if row is not None:
            yield Candidate(*row)


def _in_chunks(
    connection: apsw.Connection, words: tuple[str, ...], low: int, high: int
) -> Iterator[Candidate]:
    conditions, grams = gram_conditions(words)
    bounds = (low >> CHUNK_BITS, high >> CHUNK_BITS)
    statement = SELECT_CHUNKS.format(conditions)
    for chunk, *_ in connection.execute(statement, (*bounds, *grams)):
        start = int(str(chunk)) << CHUNK_BITS
        span = (max(low, start), min(high, start + (1 << CHUNK_BITS)))
        for row in connection.execute(BY_TIME, span):
            yield Candidate(*row)


def _is_narrow(connection: apsw.Connection, conversation_ids: frozenset[str]) -> bool:
    if len(conversation_ids) > MAX_LISTED_CHATS:
        return False
    n_messages = 0
    for conversation_id in conversation_ids:
        n_messages += int(str(connection.execute(COUNT_ROWS, (conversation_id,)).get or 0))
    return n_messages <= MAX_LISTED


def _beginning(connection: apsw.Connection, statement: str, wanted: str) -> list[str]:
    """The second column, where the first, folded, begins with ``wanted``."""
    rows = connection.execute(statement)
    return [str(value) for name, value in rows if fold(str(name)).startswith(wanted)]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
