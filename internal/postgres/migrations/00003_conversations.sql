-- +goose Up

-- opened makes a chat known before its first message. changed_us is when something other than a message last happened to
-- it. oldest_us is where retention looks for what is too old: the created_us of the oldest message, or changed_us while
-- there is no message.
ALTER TABLE chats ADD COLUMN opened boolean NOT NULL DEFAULT false;
ALTER TABLE chats ADD COLUMN changed_us bigint;
ALTER TABLE chats ADD COLUMN oldest_us bigint;

UPDATE chats SET oldest_us = (SELECT min(created_us) FROM messages WHERE chat = chats.id);

-- Partial, so that no search for a chat by its names takes this index for the one of the names.
CREATE INDEX chats_oldest ON chats (org, livechat, oldest_us) WHERE oldest_us IS NOT NULL;

-- content is JSON (messages.Content). internal is NULL, and author_type empty, until somebody has told.
ALTER TABLE messages ADD COLUMN content text;
ALTER TABLE messages ADD COLUMN author_guessed boolean NOT NULL DEFAULT false;
ALTER TABLE messages ADD COLUMN internal boolean DEFAULT false;
ALTER TABLE messages ADD COLUMN edited_at text;
ALTER TABLE messages ADD COLUMN deleted_at text;

-- The edits that were taken, each once, in no order: the newest has told what the message is.
CREATE TABLE message_edits (
    chat       bigint NOT NULL REFERENCES chats (id),
    message_id text COLLATE "C" NOT NULL,
    event_id   text COLLATE "C" NOT NULL,
    edited_us  bigint NOT NULL,
    tells_author     boolean NOT NULL,
    tells_visibility boolean NOT NULL,
    PRIMARY KEY (chat, message_id, event_id)
);

-- A deletion may come before its message.
CREATE TABLE message_tombstones (
    chat       bigint NOT NULL REFERENCES chats (id),
    message_id text COLLATE "C" NOT NULL,
    event_id   text COLLATE "C" NOT NULL,
    deleted_at text NOT NULL,
    PRIMARY KEY (chat, message_id)
);

CREATE TABLE chat_seen (
    chat      bigint NOT NULL REFERENCES chats (id),
    person_id text COLLATE "C" NOT NULL,
    up_to     text NOT NULL,
    up_to_us  bigint NOT NULL,
    PRIMARY KEY (chat, person_id)
) WITH (fillfactor = 80);

-- told_us is when the event that told happened, so that events in any order end in the same row.
CREATE TABLE chat_people (
    chat       bigint NOT NULL REFERENCES chats (id),
    person_id  text COLLATE "C" NOT NULL,
    type       text NOT NULL,
    name       text NOT NULL,
    email      text NOT NULL,
    told_us    bigint NOT NULL,
    told_event text COLLATE "C" NOT NULL,
    PRIMARY KEY (chat, person_id)
) WITH (fillfactor = 80);

-- body is JSON (messages.ConversationUpdated without its origin and its people).
CREATE TABLE conversation_changes (
    arrival  bigint GENERATED ALWAYS AS IDENTITY,
    chat     bigint NOT NULL REFERENCES chats (id),
    event_id text COLLATE "C" NOT NULL UNIQUE,
    body     text NOT NULL,
    PRIMARY KEY (chat, arrival)
);
