-- Chats as Minerva's first schema kept them: written down once, never to be changed.
CREATE TABLE conversations (
    id TEXT PRIMARY KEY NOT NULL,
    title TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    model TEXT,
    system_prompt TEXT NOT NULL,
    parameters TEXT NOT NULL,
    active_leaf_id TEXT,
    deleted_at REAL
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
    completion TEXT,
    error TEXT,
    UNIQUE (conversation_id, seq)
) STRICT;
CREATE INDEX conversations_by_update ON conversations(updated_at) WHERE deleted_at IS NULL;
CREATE INDEX conversations_in_trash ON conversations(deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX messages_by_parent ON messages(parent_id);
CREATE INDEX messages_streaming ON messages(state) WHERE state = 'streaming';
INSERT INTO conversations VALUES
    ('c-tea', 'How long does green tea…', 1700000000.5, 1700000300.25, 'SmolLM2-135M.gguf',
     'Answer in one sentence.', '{"temperature":0.2,"top_k":20,"seed":7,"stop":["END"]}',
     'm-tea-4', NULL),
    ('c-named', 'Trip to Kyōto 京都', 1700000100.0, 1700000200.0, NULL, '', '{}', 'm-named-1', NULL),
    ('c-gone', 'Old and gone', 1600000000.0, 1600000001.0, NULL, '', '{}', NULL, 1600000002.0);
INSERT INTO messages VALUES
    ('m-tea-1', 'c-tea', NULL, 1, 'user', 'How long does
green tea steep?', 'complete', 1700000000.5, NULL, NULL, NULL),
    ('m-tea-2', 'c-tea', 'm-tea-1', 2, 'assistant', 'Two minutes.', 'complete', 1700000001.0,
     'SmolLM2-135M.gguf',
     '{"finish_reason":"stop","timings":{"prompt_tokens":21,"completion_tokens":4},"seed":7}', NULL),
    ('m-tea-3', 'c-tea', 'm-tea-1', 3, 'assistant', '', 'failed', 1700000002.0,
     'SmolLM2-135M.gguf', NULL, 'The model ended unexpectedly'),
    ('m-tea-4', 'c-tea', 'm-tea-1', 4, 'assistant', 'About two', 'streaming', 1700000300.25,
     'SmolLM2-135M.gguf', NULL, NULL),
    ('m-named-1', 'c-named', NULL, 1, 'user', '三日間の旅 — 100 % “quoted”', 'complete', 1700000100.0,
     NULL, NULL, NULL);
PRAGMA user_version = 1;
