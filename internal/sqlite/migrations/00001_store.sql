-- +goose Up

-- A chat's three names are long and stand in every key below them, so each chat gets a small number once and the other
-- tables use that. Tenancy holds because the number is only ever found through (org, livechat, chat_id). A receipt may
-- come before any message: its chat then exists with messages = 0 and counts as unknown.
CREATE TABLE chats (
    id            INTEGER PRIMARY KEY,
    org           TEXT    NOT NULL,
    livechat      TEXT    NOT NULL,
    chat_id       TEXT    NOT NULL,
    messages      INTEGER NOT NULL DEFAULT 0,
    first_seen_us INTEGER NOT NULL,
    UNIQUE (org, livechat, chat_id)
);

-- arrival is the order of insertion over the whole store. AUTOINCREMENT never gives a number twice, so a cursor stays
-- true even after the newest message was deleted.
CREATE TABLE messages (
    arrival           INTEGER PRIMARY KEY AUTOINCREMENT,
    chat              INTEGER NOT NULL REFERENCES chats (id),
    message_id        TEXT    NOT NULL,
    event_id          TEXT    NOT NULL UNIQUE,
    channel           TEXT    NOT NULL,
    user_id           TEXT    NOT NULL,
    visitor_id        TEXT,
    type              TEXT    NOT NULL,
    text              TEXT,
    author_id         TEXT    NOT NULL,
    author_type       TEXT    NOT NULL,
    created_at        TEXT    NOT NULL,
    created_us        INTEGER NOT NULL,
    file_id           TEXT,
    file_name         TEXT,
    file_content_type TEXT,
    file_size         INTEGER,
    file_extension    TEXT,
    UNIQUE (chat, message_id)
);

-- SQLite ends every index with the rowid, which is arrival.
CREATE INDEX messages_history ON messages (chat, created_us);

-- day counts from 1970-01-01 UTC and may be negative.
CREATE TABLE chat_days (
    chat     INTEGER NOT NULL REFERENCES chats (id),
    day      INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (chat, day)
) WITHOUT ROWID;

-- name_us and email_us are the created_at of the message that told, so that messages in any order end in the same row.
CREATE TABLE visitors (
    org        TEXT    NOT NULL,
    livechat   TEXT    NOT NULL,
    visitor_id TEXT    NOT NULL,
    name       TEXT,
    name_us    INTEGER,
    email      TEXT,
    email_us   INTEGER,
    PRIMARY KEY (org, livechat, visitor_id)
) WITHOUT ROWID;

CREATE TABLE receipts (
    chat         INTEGER NOT NULL REFERENCES chats (id),
    message_id   TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    event_id     TEXT    NOT NULL, -- the event that set the status
    error_code   TEXT,
    error_reason TEXT,
    PRIMARY KEY (chat, message_id)
) WITHOUT ROWID;

CREATE TABLE receipt_times (
    chat       INTEGER NOT NULL REFERENCES chats (id),
    message_id TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    at         TEXT    NOT NULL,
    PRIMARY KEY (chat, message_id, status)
) WITHOUT ROWID;

-- An upload is decided without looking at its chat, so it carries the chat's names itself.
CREATE TABLE media (
    id                TEXT    NOT NULL PRIMARY KEY,
    org               TEXT    NOT NULL,
    livechat          TEXT    NOT NULL,
    chat_id           TEXT    NOT NULL,
    state             TEXT    NOT NULL,
    reason            TEXT    NOT NULL,
    etag              TEXT    NOT NULL,
    has_thumbnail     INTEGER NOT NULL,
    decided_us        INTEGER NOT NULL,
    file_name         TEXT    NOT NULL,
    file_content_type TEXT    NOT NULL,
    file_size         INTEGER NOT NULL,
    file_extension    TEXT    NOT NULL
) WITHOUT ROWID;

CREATE TABLE dispatches (
    event_id    TEXT    NOT NULL PRIMARY KEY,
    destination TEXT    NOT NULL,
    at_us       INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE accounts (
    org        TEXT    NOT NULL,
    livechat   TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (org, livechat)
) WITHOUT ROWID;

CREATE TABLE account_tokens (
    org      TEXT    NOT NULL,
    livechat TEXT    NOT NULL,
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    added_us INTEGER NOT NULL,
    PRIMARY KEY (org, livechat, sha256),
    FOREIGN KEY (org, livechat) REFERENCES accounts (org, livechat) ON DELETE CASCADE
) WITHOUT ROWID;

-- One row for everything that counts: writes is what the health check really writes, account_ever outlives every account.
CREATE TABLE store_facts (
    only         INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    writes       INTEGER NOT NULL DEFAULT 0,
    account_ever INTEGER NOT NULL DEFAULT 0
);

INSERT INTO store_facts (only) VALUES (1);
