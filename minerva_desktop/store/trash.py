"""Taking chats and messages away, and bringing them back.

Runs on the database's thread, in a transaction. What is taken away is marked with the time, and
destroyed once that was long ago, or by a person in the trash.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from minerva_desktop.chat.conversation import Conversation, Removal
from minerva_desktop.errors import StoreError
from minerva_desktop.store import blobs
from minerva_desktop.store.message_rows import change_one

MARK_MESSAGE = "UPDATE messages SET deleted_at = ? WHERE id = ?"
MOVE_MESSAGE = "UPDATE messages SET parent_id = ? WHERE id = ?"
SELECT_LEAF = "UPDATE conversations SET active_leaf_id = ? WHERE id = ?"
DESTROY = "DELETE FROM conversations WHERE id = ? AND deleted_at IS NOT NULL"
PURGE_CONVERSATIONS = "DELETE FROM conversations WHERE deleted_at < ? RETURNING id"
# The clock may have jumped between a message's removal and that of the one it replied to.
LOOSEN_PURGED = """
    UPDATE messages SET parent_id = NULL
    WHERE parent_id IN (SELECT id FROM messages WHERE deleted_at < ?)
"""
PURGE_MESSAGES = "DELETE FROM messages WHERE deleted_at < ?"
PURGE_SAMPLINGS = """
    DELETE FROM samplings WHERE NOT EXISTS (
        SELECT 1 FROM messages WHERE sampling_id = samplings.id)
"""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A removal, or its undoing, as the rows see it: which messages go or come, which reply to
    another now (message, parent), and where the shown branch ends."""

    conversation_id: str
    message_ids: tuple[str, ...]
    parents: tuple[tuple[str, str | None], ...]
    active_leaf_id: str | None


def move_of(conversation: Conversation, removal: Removal) -> Move:
    """What to write after `Conversation.remove` or `Conversation.put_back`."""
    message_ids = tuple(message.id for _, message in removal.messages)
    return Move(
        conversation_id=conversation.id,
        message_ids=message_ids,
        parents=tuple(
            (message_id, conversation[message_id].parent_id)
            # What comes back may reply to another message than it did when it went.
            for message_id in (*message_ids, *removal.moved_ids)
            if message_id in conversation
        ),
        active_leaf_id=conversation.active_leaf_id,
    )


def apply(connection: apsw.Connection, move: Move, deleted_at: float | None) -> None:
    """Mark the messages as gone at ``deleted_at``, or as back. Raises `StoreError`."""
    for message_id in move.message_ids:
        change_one(connection, MARK_MESSAGE, (deleted_at, message_id))
    for message_id, parent_id in move.parents:
        change_one(connection, MOVE_MESSAGE, (parent_id, message_id))
    change_one(connection, SELECT_LEAF, (move.active_leaf_id, move.conversation_id))


def destroy(connection: apsw.Connection, conversation_ids: Sequence[str], now: float) -> None:
    """Destroy chats that are in the trash, all of them or, raising `StoreError`, none."""
    for conversation_id in conversation_ids:
        connection.execute(DESTROY, (conversation_id,))
        if connection.changes() == 0:
            raise StoreError(f"There is no chat with the id {conversation_id} in the trash")
    _sweep(connection, now)


def purge(connection: apsw.Connection, limit: float, now: float) -> list[str]:
    """Destroy what went before ``limit``; the ids of the chats among it."""
    ids = [str(row[0]) for row in connection.execute(PURGE_CONVERSATIONS, (limit,))]
    connection.execute(LOOSEN_PURGED, (limit,))
    connection.execute(PURGE_MESSAGES, (limit,))
    _sweep(connection, now)
    return ids


def _sweep(connection: apsw.Connection, now: float) -> None:
    """What no message needs any more."""
    connection.execute(PURGE_SAMPLINGS)
    blobs.purge(connection, now)
