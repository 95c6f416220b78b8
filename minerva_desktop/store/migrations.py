"""The steps that lead from an empty file to today's schema.

Run by `store.database` on its thread when it opens the file. A step that was released never
changes and is never removed: a change of the schema is a new function at the end of `MIGRATIONS`.
The number of steps that a file has been through is its ``user_version``.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

from minerva_desktop.store.text_folding import fold

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


def m002_parts_and_order(connection: apsw.Connection) -> None:
    """Typed parts of messages, a trash for single messages, what keeps many chats in order, and
    the search index (`store.search_index`).

    Both tables are made anew, because ``row``, unlike a rowid without a name, never changes: the
    search index goes by it. A message's row is its time, because the index gives what it finds in
    the order of rows. What an answer was asked with is 600 bytes and rarely changes, so answers
    share it.
    """
    connection.execute(TABLES_OF_2)
    connection.execute(FILL_OF_2)
    titles = connection.execute("SELECT title, row FROM conversations").fetchall()
    connection.executemany(
        "UPDATE conversations SET folded_title = ? WHERE row = ?",
        [(fold(str(title)), row) for title, row in titles],
    )
    connection.execute(INDEXES_OF_2)
    connection.execute(SEARCH_OF_2)


TABLES_OF_2 = """
    CREATE TABLE folders (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL
    ) STRICT;

    CREATE TABLE new_conversations (
        row INTEGER PRIMARY KEY,
        id TEXT UNIQUE NOT NULL,
        title TEXT NOT NULL,
        folded_title TEXT NOT NULL,  -- as the search compares it
        title_source TEXT NOT NULL,  -- chat.conversation.TitleSource
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        model TEXT,
        parameters TEXT NOT NULL,    -- JSON of chat.sampling.SamplingParameters
        active_leaf_id TEXT,
        folder_id TEXT REFERENCES folders(id) ON DELETE SET NULL,
        is_pinned INTEGER NOT NULL DEFAULT 0,
        is_archived INTEGER NOT NULL DEFAULT 0,
        deleted_at REAL,             -- when it was moved to the trash
        scroll TEXT,                 -- JSON of chat.conversation.ScrollPosition
        cuts TEXT,                   -- JSON array of chat.context_cut.ContextCut
        draft TEXT NOT NULL DEFAULT '',
        system_prompt TEXT NOT NULL
    ) STRICT;

    CREATE TABLE samplings (
        id INTEGER PRIMARY KEY,
        parameters TEXT UNIQUE NOT NULL  -- JSON of chat.sampling.SamplingParameters
    ) STRICT;

    CREATE TABLE new_messages (
        row INTEGER PRIMARY KEY,     -- the second it was made in, or the next that is free
        id TEXT UNIQUE NOT NULL,
        conversation_id TEXT NOT NULL REFERENCES new_conversations(id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES new_messages(id),
        seq INTEGER NOT NULL,
        role TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at REAL NOT NULL,
        deleted_at REAL,             -- when it was taken out of its chat
        model TEXT,
        sampling_id INTEGER REFERENCES samplings(id),
        completion TEXT,             -- JSON of chat.completion.Completion
        error TEXT,
        parts TEXT,                  -- JSON array of chat.parts.Part
        text TEXT NOT NULL,
        UNIQUE (conversation_id, seq)
    ) STRICT;

    CREATE TABLE tags (
        row INTEGER PRIMARY KEY,     -- the order in which a chat's tags were given
        conversation_id TEXT NOT NULL REFERENCES new_conversations(id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        UNIQUE (conversation_id, tag)
    ) STRICT;

    CREATE TABLE blobs (
        digest TEXT PRIMARY KEY NOT NULL,  -- SHA-256 of the bytes, in hexadecimal
        stored_at REAL NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
"""
# A title that is not the beginning of a chat's first message was given by a person. A message's
# row is its second, or one more than the row before it: its number plus the most that a second was
# ahead of its number so far.
FILL_OF_2 = """
    INSERT INTO new_conversations (row, id, title, folded_title, title_source, created_at,
        updated_at, model, parameters, active_leaf_id, deleted_at, system_prompt)
    SELECT rowid, id, title, '',
        iif(title = '' OR instr(
            replace(replace(coalesce((SELECT text FROM messages
                WHERE conversation_id = conversations.id ORDER BY seq LIMIT 1), ''),
                char(10), ' '), char(9), ' '),
            rtrim(title, '…')), 'first_words', 'person'),
        created_at, updated_at, model, parameters, active_leaf_id, deleted_at, system_prompt
    FROM conversations ORDER BY rowid;

    INSERT INTO new_messages (row, id, conversation_id, parent_id, seq, role, state, created_at,
        model, completion, error, text)
    WITH numbered AS (
        SELECT *, row_number() OVER (ORDER BY created_at, rowid) AS number FROM messages)
    SELECT number + max(max(0, min(CAST(created_at AS INTEGER), 1 << 32)) - number)
            OVER (ORDER BY number),
        id, conversation_id, parent_id, seq, role, state, created_at, model, completion, error, text
    FROM numbered ORDER BY number;

    DROP TABLE messages;
    DROP TABLE conversations;
    ALTER TABLE new_conversations RENAME TO conversations;
    ALTER TABLE new_messages RENAME TO messages;
"""
INDEXES_OF_2 = """
    -- All that a line of the chat list shows.
    CREATE INDEX conversations_listed ON conversations(
        deleted_at, is_archived, updated_at, id, title, model, folder_id, is_pinned);
    CREATE INDEX conversations_in_folder
        ON conversations(folder_id) WHERE folder_id IS NOT NULL;
    CREATE INDEX messages_by_parent ON messages(parent_id);
    CREATE INDEX messages_first ON messages(conversation_id) WHERE parent_id IS NULL;
    CREATE INDEX messages_streaming ON messages(state) WHERE state = 'streaming';
    CREATE INDEX messages_in_trash ON messages(deleted_at) WHERE deleted_at IS NOT NULL;
    CREATE INDEX messages_with_images ON messages(row) WHERE instr(parts, '"image"') > 0;
    CREATE INDEX messages_by_sampling
        ON messages(sampling_id) WHERE sampling_id IS NOT NULL;
    CREATE INDEX tags_by_tag ON tags(tag);
"""

SEARCH_OF_2 = """
    -- For each of them there is an index of its own, made when it is needed.
    CREATE TABLE search_parts (
        id INTEGER PRIMARY KEY   -- the uppermost bits of the rows of its messages
    ) STRICT;
    CREATE TABLE search_chunks (
        id INTEGER PRIMARY KEY,  -- the upper bits of the rows of its messages
        grams TEXT NOT NULL      -- one a line
    ) STRICT;
    CREATE TABLE unindexed (row INTEGER PRIMARY KEY) STRICT;
    INSERT INTO unindexed SELECT row FROM messages WHERE state <> 'streaming';

    CREATE TRIGGER message_added AFTER INSERT ON messages WHEN new.state <> 'streaming' BEGIN
        INSERT OR IGNORE INTO unindexed VALUES (new.row);
    END;
    CREATE TRIGGER message_changed AFTER UPDATE OF text, state ON messages
    WHEN new.state <> 'streaming' AND (old.state = 'streaming' OR old.text <> new.text) BEGIN
        INSERT OR IGNORE INTO unindexed VALUES (new.row);
    END;
    CREATE TRIGGER message_destroyed AFTER DELETE ON messages BEGIN
        INSERT OR IGNORE INTO unindexed VALUES (old.row);
    END;
"""


def m003_draft_files(connection: apsw.Connection) -> None:
    """The files that wait in a chat's composer; and the search finds files by their names."""
    connection.execute(
        """
        ALTER TABLE conversations ADD COLUMN draft_files TEXT;  -- JSON array of chat.parts.FilePart
        INSERT OR IGNORE INTO unindexed
        SELECT row FROM messages WHERE instr(parts, '"file"') > 0 AND state <> 'streaming';
        """
    )


def m004_waiting_messages(connection: apsw.Connection) -> None:
    """The messages that wait to be sent, apart from the draft, in which they were joined before;
    and apart from them their files, which may be large, and change seldom."""
    connection.execute(
        """
        ALTER TABLE conversations ADD COLUMN waiting TEXT;  -- JSON array of store.waiting_rows.Line
        ALTER TABLE conversations ADD COLUMN waiting_files TEXT;  -- JSON array of FilePart
        """
    )


def m005_edited_answers(connection: apsw.Connection) -> None:
    """When a person changed what an answer says."""
    connection.execute("ALTER TABLE messages ADD COLUMN edited_at REAL")


def m006_kinds_of_failures(connection: apsw.Connection) -> None:
    """What kind of error an answer failed with, beside the sentence on it."""
    connection.execute(
        "ALTER TABLE messages ADD COLUMN failure TEXT"  # JSON of chat.failure.Failure
    )


MIGRATIONS: tuple[Migration, ...] = (
    m001_initial,
    m002_parts_and_order,
    m003_draft_files,
    m004_waiting_messages,
    m005_edited_answers,
    m006_kinds_of_failures,
)
