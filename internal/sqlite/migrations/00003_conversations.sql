-- +goose Up

-- opened makes a chat known before its first message. changed_us is when something other than a message last happened to
-- it. oldest_us is where retention looks for what is too old: the created_us of the oldest message, or changed_us while
-- there is no message.
ALTER TABLE chats ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chats ADD COLUMN changed_us INTEGER;
ALTER TABLE chats ADD COLUMN oldest_us INTEGER;

UPDATE chats SET oldest_us = (SELECT min(created_us) FROM messages WHERE chat = chats.id);

-- Partial, so that no search for a chat by its names takes this index for the one of the names.
CREATE INDEX chats_oldest ON chats (org, livechat, oldest_us) WHERE oldest_us IS NOT NULL;

-- content is JSON (messages.Content). internal is NULL, and author_type empty, until somebody has told.
ALTER TABLE messages ADD COLUMN content TEXT;
ALTER TABLE messages ADD COLUMN author_guessed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN internal INTEGER DEFAULT 0;
ALTER TABLE messages ADD COLUMN edited_at TEXT;
ALTER TABLE messages ADD COLUMN deleted_at TEXT;

-- The edits that were taken, each once, in no order: the newest has told what the message is.
CREATE TABLE message_edits (
    chat       INTEGER NOT NULL REFERENCES chats (id),
    message_id TEXT    NOT NULL,
    event_id   TEXT    NOT NULL,
    edited_us  INTEGER NOT NULL,
    tells_author     INTEGER NOT NULL,
    tells_visibility INTEGER NOT NULL,
    PRIMARY KEY (chat, message_id, event_id)
) WITHOUT ROWID;

-- A deletion may come before its message.
CREATE TABLE message_tombstones (
    chat       INTEGER NOT NULL REFERENCES chats (id),
    message_id TEXT    NOT NULL,
    event_id   TEXT    NOT NULL,
    deleted_at TEXT    NOT NULL,
    PRIMARY KEY (chat, message_id)
) WITHOUT ROWID;

CREATE TABLE chat_seen (
    chat      INTEGER NOT NULL REFERENCES chats (id),
    person_id TEXT    NOT NULL,
    up_to     TEXT    NOT NULL,
    up_to_us  INTEGER NOT NULL,
    PRIMARY KEY (chat, person_id)
) WITHOUT ROWID;

-- told_us is when the event that told happened, so that events in any order end in the same row.
CREATE TABLE chat_people (
    chat       INTEGER NOT NULL REFERENCES chats (id),
    person_id  TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    told_us    INTEGER NOT NULL,
    told_event TEXT    NOT NULL,
    PRIMARY KEY (chat, person_id)
) WITHOUT ROWID;

-- body is JSON (messages.ConversationUpdated without its origin and its people).
CREATE TABLE conversation_changes (
    arrival  INTEGER PRIMARY KEY AUTOINCREMENT,
    chat     INTEGER NOT NULL REFERENCES chats (id),
    event_id TEXT    NOT NULL UNIQUE,
    body     TEXT    NOT NULL
);

CREATE INDEX conversation_changes_chat ON conversation_changes (chat);
