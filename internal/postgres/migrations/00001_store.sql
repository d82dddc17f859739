-- +goose Up

-- The tables and columns are those of internal/sqlite, word for word. Keys are compared byte by byte (COLLATE "C"), as
-- SQLite and Go do: a collation of the operating system would order them differently after its next update, and an index
-- built before it would be wrong. Rows that are updated in place leave room in their pages (fillfactor), so that an update
-- touches no index.

-- A chat's three names are long and stand in every key below them, so each chat gets a small number once and the other
-- tables use that. Tenancy holds because the number is only ever found through (org, livechat, chat_id). A receipt may
-- come before any message: its chat then exists with messages = 0 and counts as unknown.
CREATE TABLE chats (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org           text COLLATE "C" NOT NULL,
    livechat      text COLLATE "C" NOT NULL,
    chat_id       text COLLATE "C" NOT NULL,
    messages      bigint NOT NULL DEFAULT 0,
    first_seen_us bigint NOT NULL,
    UNIQUE (org, livechat, chat_id)
) WITH (fillfactor = 80);

-- arrival is the order of insertion. It is given while the chat is locked, so within a chat it is the order of the commits
-- too. The primary key is what a page walks.
CREATE TABLE messages (
    arrival           bigint GENERATED ALWAYS AS IDENTITY,
    chat              bigint NOT NULL REFERENCES chats (id),
    message_id        text COLLATE "C" NOT NULL,
    event_id          text COLLATE "C" NOT NULL UNIQUE,
    channel           text NOT NULL,
    user_id           text NOT NULL,
    visitor_id        text,
    type              text NOT NULL,
    text              text,
    author_id         text NOT NULL,
    author_type       text NOT NULL,
    created_at        text NOT NULL,
    created_us        bigint NOT NULL,
    file_id           text COLLATE "C",
    file_name         text,
    file_content_type text,
    file_size         bigint,
    file_extension    text,
    PRIMARY KEY (chat, created_us, arrival),
    UNIQUE (chat, message_id)
);

-- day counts from 1970-01-01 UTC and may be negative.
CREATE TABLE chat_days (
    chat     bigint NOT NULL REFERENCES chats (id),
    day      bigint NOT NULL,
    messages bigint NOT NULL,
    PRIMARY KEY (chat, day)
) WITH (fillfactor = 80);

-- name_us and email_us are the created_at of the message that told, so that messages in any order end in the same row.
CREATE TABLE visitors (
    org        text COLLATE "C" NOT NULL,
    livechat   text COLLATE "C" NOT NULL,
    visitor_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C",
    name_us    bigint,
    email      text COLLATE "C",
    email_us   bigint,
    PRIMARY KEY (org, livechat, visitor_id)
) WITH (fillfactor = 80);

CREATE TABLE receipts (
    chat         bigint NOT NULL REFERENCES chats (id),
    message_id   text COLLATE "C" NOT NULL,
    status       text NOT NULL,
    event_id     text NOT NULL, -- the event that set the status
    error_code   text,
    error_reason text,
    PRIMARY KEY (chat, message_id)
) WITH (fillfactor = 80);

CREATE TABLE receipt_times (
    chat       bigint NOT NULL REFERENCES chats (id),
    message_id text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL,
    at         text NOT NULL,
    PRIMARY KEY (chat, message_id, status)
);

-- An upload is decided without looking at its chat, so it carries the chat's names itself.
CREATE TABLE media (
    id                text COLLATE "C" NOT NULL PRIMARY KEY,
    org               text COLLATE "C" NOT NULL,
    livechat          text COLLATE "C" NOT NULL,
    chat_id           text COLLATE "C" NOT NULL,
    state             text NOT NULL,
    reason            text NOT NULL,
    etag              text NOT NULL,
    has_thumbnail     boolean NOT NULL,
    decided_us        bigint NOT NULL,
    file_name         text NOT NULL,
    file_content_type text NOT NULL,
    file_size         bigint NOT NULL,
    file_extension    text NOT NULL
);

CREATE TABLE dispatches (
    event_id    text COLLATE "C" NOT NULL PRIMARY KEY,
    destination text NOT NULL,
    at_us       bigint NOT NULL
);

CREATE TABLE accounts (
    org        text COLLATE "C" NOT NULL,
    livechat   text COLLATE "C" NOT NULL,
    created_us bigint NOT NULL,
    PRIMARY KEY (org, livechat)
);

CREATE TABLE account_tokens (
    org      text COLLATE "C" NOT NULL,
    livechat text COLLATE "C" NOT NULL,
    sha256   bytea NOT NULL CHECK (length(sha256) = 32),
    added_us bigint NOT NULL,
    PRIMARY KEY (org, livechat, sha256),
    FOREIGN KEY (org, livechat) REFERENCES accounts (org, livechat) ON DELETE CASCADE
);

-- One row for everything that counts: writes is what the health check really writes, account_ever outlives every account.
CREATE TABLE store_facts (
    "only"       integer NOT NULL PRIMARY KEY CHECK ("only" = 1),
    writes       bigint NOT NULL DEFAULT 0,
    account_ever boolean NOT NULL DEFAULT false
);

INSERT INTO store_facts ("only") VALUES (1);
