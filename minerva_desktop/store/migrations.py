"""The steps that lead from an empty file to today's schema.

Run by `store.database` on its thread when it opens the file. A step that was released never
changes and is never removed: a change of the schema is a new function at the end of `MIGRATIONS`.
The number of steps that a file has been through is its ``user_version``.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

Migration = Callable[[apsw.Connection], None]
"""One step. It runs inside a transaction, which also counts up ``user_version``."""


def m001_initial(connection: apsw.Connection) -> None:
    """Conversations and their messages. Times are Unix time in seconds.

    ``seq`` orders the messages of a conversation, because clocks jump. A parent has no ON DELETE
    CASCADE: SQLite follows at most 1,000 levels of it, and a chat may be longer.
    """
    connection.execute(
        """
        CREATE TABLE conversations (
            id TEXT PRIMARY KEY NOT NULL,
            title TEXT NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            model TEXT,
            system_prompt TEXT NOT NULL,
            parameters TEXT NOT NULL,  -- JSON of chat.sampling.SamplingParameters
            active_leaf_id TEXT,
            deleted_at REAL            -- when it was moved to the trash
        ) STRICT;

        CREATE TABLE messages (
            id TEXT PRIMARY KEY NOT NULL,
            conversation_id TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            parent_id TEXT REFERENCES messages(id),
            seq INTEGER NOT NULL,
            role TEXT NOT NULL,
            text TEXT NOT NULL,
            state TEXT NOT NULL,
            created_at REAL NOT NULL,
            model TEXT,
            completion TEXT,           -- JSON of chat.completion.Completion
            error TEXT,
            UNIQUE (conversation_id, seq)
        ) STRICT;

        CREATE INDEX conversations_by_update
            ON conversations(updated_at) WHERE deleted_at IS NULL;
        CREATE INDEX conversations_in_trash
            ON conversations(deleted_at) WHERE deleted_at IS NOT NULL;
        CREATE INDEX messages_by_parent ON messages(parent_id);
        CREATE INDEX messages_streaming ON messages(state) WHERE state = 'streaming';
        """
    )


MIGRATIONS: tuple[Migration, ...] = (m001_initial,)
