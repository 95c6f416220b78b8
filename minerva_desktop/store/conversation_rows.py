"""Conversations as rows of the database, and back: the list, one of them, a page of one.

Values become rows on the thread of the one who asks; functions that take a connection run on the
database's thread.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import apsw
import msgspec

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import (
    Conversation,
    ConversationSummary,
    ScrollPosition,
    TitleSource,
    clean_text,
)
from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import StoreError
from minerva_desktop.store import message_rows
from minerva_desktop.store.message_rows import (
    COLUMNS,
    Row,
    Samplings,
    clean_or_none,
    json_of,
    message_of,
    parsed,
    parts_of,
    sampling_json,
    sampling_of,
)
from minerva_desktop.store.text_folding import fold
from minerva_desktop.store.waiting_rows import columns_of, waiting_in

logger = logging.getLogger(__name__)

INSERT_CONVERSATION = """
    INSERT INTO conversations (id, created_at, updated_at, folder_id, is_pinned, is_archived,
        draft, draft_files, waiting, waiting_files, scroll, title, folded_title, title_source,
        model, system_prompt, parameters, active_leaf_id, cuts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_TAG = "INSERT OR IGNORE INTO tags (conversation_id, tag) VALUES (?, ?)"
UPDATE_DETAILS = """
    UPDATE conversations SET title = ?, folded_title = ?, title_source = ?, model = ?,
        system_prompt = ?, parameters = ?, active_leaf_id = ?, cuts = ?
    WHERE id = ?
"""
MOVE_LEAF = """
    UPDATE conversations SET active_leaf_id = ?, updated_at = max(updated_at, ?) WHERE id = ?
"""
# Where it ended at the first message, it ends at the second, which takes the replies of that.
EXCHANGE_LEAF = """
    UPDATE conversations SET active_leaf_id = iif(active_leaf_id = ?1, ?2, active_leaf_id),
        updated_at = max(updated_at, ?3)
    WHERE id = ?4
"""
SUMMARY = "id, title, updated_at, model, folder_id, is_pinned, is_archived, deleted_at"
SELECT_LISTED = f"""
    SELECT {SUMMARY} FROM conversations
    WHERE deleted_at IS NULL AND is_archived = ?
    ORDER BY updated_at DESC, row DESC
"""
SELECT_TRASH = f"""
    SELECT {SUMMARY} FROM conversations
    WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC, row DESC
"""
SELECT_TAGS = "SELECT conversation_id, tag FROM tags ORDER BY row"
SELECT_TAGS_OF = "SELECT tag FROM tags WHERE conversation_id = ? ORDER BY row"
SELECT_CONVERSATION = """
    SELECT created_at, updated_at, title, title_source, model, system_prompt, parameters,
        folder_id, is_pinned, is_archived, draft, draft_files, waiting, waiting_files, scroll,
        cuts, active_leaf_id
    FROM conversations WHERE id = ?
"""
SELECT_MESSAGES = f"""
    SELECT {COLUMNS} FROM messages
    WHERE conversation_id = ? AND deleted_at IS NULL ORDER BY seq
"""


# -- values to rows, on the caller's thread ----------------------------------------------------


def row_of(conversation: Conversation) -> Row:
    """The bindings of `INSERT_CONVERSATION`."""
    scroll = conversation.scroll
    return (
        conversation.id,
        conversation.created_at,
        conversation.updated_at,
        conversation.folder_id,
        conversation.is_pinned,
        conversation.is_archived,
        clean_text(conversation.draft),
        parts_of(conversation.draft_files),
        *columns_of(conversation.waiting),
        None if scroll is None else json_of(scroll),
        *details_of(conversation),
    )


def details_of(conversation: Conversation) -> Row:
    """What `UPDATE_DETAILS` sets."""
    title = clean_text(conversation.title)
    return (
        title,
        fold(title),
        conversation.title_source.value,
        clean_or_none(conversation.model),
        clean_text(conversation.system_prompt),
        sampling_json(conversation.sampling),
        conversation.active_leaf_id,
        json_of(conversation.cuts) if conversation.cuts else None,
    )


# -- on the database's thread ------------------------------------------------------------------


def insert(
    connection: apsw.Connection, row: Row, tags: Iterable[Row], messages: Iterable[Row]
) -> None:
    """Add a conversation (`row_of`) with its tags and messages."""
    connection.execute(INSERT_CONVERSATION, row)
    connection.executemany(INSERT_TAG, tags)
    message_rows.insert(connection, messages)


def add_version(
    connection: apsw.Connection, message: Row, other_id: str, updated_at: float
) -> None:
    """Add a message (`message_rows.row_of`) that takes the place of ``other_id`` in what is shown.
    Raises `StoreError`."""
    message_id, chat_id = message[:2]
    message_rows.change_one(connection, EXCHANGE_LEAF, (other_id, message_id, updated_at, chat_id))
    message_rows.insert_version(connection, message, other_id)


def listed(
    connection: apsw.Connection, *, is_archived: bool, in_trash: bool
) -> list[ConversationSummary]:
    """Lines of the chat list."""
    if in_trash:
        rows = connection.execute(SELECT_TRASH)
    else:
        rows = connection.execute(SELECT_LISTED, (is_archived,))
    tags: dict[str, list[str]] = defaultdict(list)
    for conversation_id, tag in connection.execute(SELECT_TAGS):
        tags[str(conversation_id)].append(str(tag))
    return [summary_of(row, tags.get(row[0], ())) for row in rows]


def summary_of(row: Row, tags: Sequence[str]) -> ConversationSummary:
    """The line of the chat list that `SUMMARY` holds."""
    id_, title, updated_at, model, folder_id, is_pinned, is_archived, deleted_at = row
    return ConversationSummary(
        id=id_,
        title=title,
        updated_at=updated_at,
        model=model,
        folder_id=folder_id,
        tags=tuple(tags),
        is_pinned=bool(is_pinned),
        is_archived=bool(is_archived),
        deleted_at=deleted_at,
    )


def load(connection: apsw.Connection, conversation_id: str) -> Conversation:
    """A conversation with all its messages. One that replies to what is not there, which is damage
    that nothing else may have met, replies to the message before it. Raises `StoreError`."""
    conversation, active_leaf_id = _without_messages(connection, conversation_id)
    rows = connection.execute(SELECT_MESSAGES, (conversation_id,))
    messages = map(message_of, rows, repeat(Samplings(connection)))
    conversation.fill(_with_parents(messages, conversation_id), active_leaf_id)
    return conversation


def _with_parents(messages: Iterable[Message], conversation_id: str) -> Iterator[Message]:
    known: set[str | None] = {None}
    last_id = None
    for message in messages:
        if message.parent_id in known:
            whole = message
        else:
            logger.warning("A message of %s replies to one that is not there", conversation_id)
            whole = msgspec.structs.replace(message, parent_id=last_id)
        last_id = whole.id
        known.add(last_id)
        yield whole


def _without_messages(
    connection: apsw.Connection, conversation_id: str
) -> tuple[Conversation, str | None]:
    row = connection.execute(SELECT_CONVERSATION, (conversation_id,)).fetchone()
    if row is None:
        raise StoreError(f"There is no chat with the id {conversation_id}")
    (created_at, updated_at, title, title_source, model, system_prompt, parameters) = row[:7]
    (folder_id, is_pinned, is_archived, draft, files, waiting, waiting_files) = row[7:14]
    (scroll, cuts, active_leaf_id) = row[14:]
    conversation = Conversation(
        id=conversation_id,
        created_at=created_at,
        updated_at=updated_at,
        title=title,
        title_source=_title_source(title_source),
        model=model,
        system_prompt=system_prompt,
        sampling=sampling_of(parameters) or SamplingParameters(),
        folder_id=folder_id,
        tags=tuple(row[0] for row in connection.execute(SELECT_TAGS_OF, (conversation_id,))),
        is_pinned=bool(is_pinned),
        is_archived=bool(is_archived),
        draft=draft,
        draft_files=() if files is None else parsed(files, Files) or (),
        waiting=waiting_in(waiting, waiting_files),
        scroll=None if scroll is None else parsed(scroll, ScrollPosition),
        cuts=() if cuts is None else parsed(cuts, tuple[ContextCut, ...]) or (),
    )
    return conversation, active_leaf_id


def _title_source(value: str) -> TitleSource:
    """A later version may know more sources; a person's title is the one that is never replaced."""
    try:
        return TitleSource(value)
    except ValueError:
        return TitleSource.PERSON
