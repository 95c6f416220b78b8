-- Chats as Minerva's fifth schema kept them: written down once, never to be changed.
CREATE TABLE folders (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL
    ) STRICT;
CREATE TABLE "conversations" (
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
    , draft_files TEXT, waiting TEXT, waiting_files TEXT) STRICT;
CREATE TABLE samplings (
        id INTEGER PRIMARY KEY,
        parameters TEXT UNIQUE NOT NULL  -- JSON of chat.sampling.SamplingParameters
    ) STRICT;
CREATE TABLE "messages" (
        row INTEGER PRIMARY KEY,     -- the second it was made in, or the next that is free
        id TEXT UNIQUE NOT NULL,
        conversation_id TEXT NOT NULL REFERENCES "conversations"(id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES "messages"(id),
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
        text TEXT NOT NULL, edited_at REAL,
        UNIQUE (conversation_id, seq)
    ) STRICT;
CREATE TABLE tags (
        row INTEGER PRIMARY KEY,     -- the order in which a chat's tags were given
        conversation_id TEXT NOT NULL REFERENCES "conversations"(id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        UNIQUE (conversation_id, tag)
    ) STRICT;
CREATE TABLE blobs (
        digest TEXT PRIMARY KEY NOT NULL,  -- SHA-256 of the bytes, in hexadecimal
        stored_at REAL NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
CREATE TABLE search_parts (
        id INTEGER PRIMARY KEY   -- the uppermost bits of the rows of its messages
    ) STRICT;
CREATE TABLE search_chunks (
        id INTEGER PRIMARY KEY,  -- the upper bits of the rows of its messages
        grams TEXT NOT NULL      -- one a line
    ) STRICT;
CREATE TABLE unindexed (row INTEGER PRIMARY KEY) STRICT;
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
INSERT INTO folders VALUES ('f-home', 'Home');
INSERT INTO samplings VALUES (1, '{"temperature":0.2,"top_k":20,"seed":7}');
INSERT INTO conversations (row, id, title, folded_title, title_source, created_at, updated_at, model,
    parameters, active_leaf_id, folder_id, is_pinned, is_archived, deleted_at, scroll, cuts, draft,
    system_prompt, draft_files, waiting, waiting_files) VALUES
    (1, 'c-tea', 'Green Tea', 'green tea', 'model', 1700000000.5, 1700000300.25,
     'SmolLM2-135M.gguf', '{"temperature":0.2,"top_k":20,"seed":7}', 'm-tea-2', 'f-home', 1, 0, NULL,
     '{"message_id":"m-tea-2","offset":0.25}',
     '[{"first_id":"m-tea-1","created_at":1700000200.0,"summary":"Tea."}]', 'And black t',
     'Answer in one sentence.',
     '[{"type":"file","name":"leaves.md","text":"Sencha.","n_bytes":7}]',
     '[{"text":"Black?","model":"/models/tiny.gguf","n_files":1},{"text":"White?","model":"/models/tiny.gguf"}]',
     '[{"type":"file","name":"black.md","text":"Assam.","n_bytes":6}]'),
    (2, 'c-kept', '京都 Kyōto', '京都 kyoto', 'person', 1700000100.0, 1700000200.0, NULL, '{}',
     'm-kept-1', NULL, 0, 1, NULL, NULL, NULL, '', '', NULL, NULL, NULL),
    (3, 'c-gone', 'Old and gone', 'old and gone', 'first_words', 1600000000.0, 1600000001.0, NULL, '{}',
     NULL, NULL, 0, 0, 1600000002.0, NULL, NULL, '', '', NULL, NULL, NULL);
INSERT INTO tags VALUES (1, 'c-tea', 'drinks'), (2, 'c-tea', 'R & D');
INSERT INTO messages (row, id, conversation_id, parent_id, seq, role, state, created_at, deleted_at,
    model, sampling_id, completion, error, parts, text, edited_at) VALUES
    (1700000000, 'm-tea-1', 'c-tea', NULL, 1, 'user', 'complete', 1700000000.5, NULL, NULL, NULL, NULL,
     NULL, '[{"type":"file","name":"teapot-notes.txt","text":"Two spoons.","n_bytes":11}]',
     'How long does green tea steep?', NULL),
    (1700000001, 'm-tea-2', 'c-tea', 'm-tea-1', 2, 'assistant', 'complete', 1700000001.0, NULL,
     'SmolLM2-135M.gguf', 1,
     '{"finish_reason":"stop","timings":{"prompt_tokens":21,"completion_tokens":4},"seed":7}', NULL,
     '[{"type":"reasoning","text":"Green, not black.","milliseconds":1500.0}]', 'Two minutes.', 1700000260.0),
    (1700000002, 'm-tea-3', 'c-tea', 'm-tea-1', 3, 'assistant', 'complete', 1700000002.0, 1700000250.0,
     'SmolLM2-135M.gguf', 1, NULL, NULL, NULL, 'Taken out.', NULL),
    (1700000100, 'm-kept-1', 'c-kept', NULL, 1, 'user', 'complete', 1700000100.0, NULL, NULL, NULL,
     NULL, NULL, NULL, '三日間の旅', NULL);
INSERT INTO unindexed SELECT row FROM messages WHERE row NOT IN (SELECT row FROM unindexed);
INSERT INTO blobs VALUES ('a0', 1700000000.0, x'00ff');
PRAGMA user_version = 5;
