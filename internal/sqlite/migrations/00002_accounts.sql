-- +goose Up

-- limits is JSON (store.Limits), so that a new limit needs no migration. organization_id is LiveChat's own; several
-- accounts may have the same one.
ALTER TABLE accounts ADD COLUMN organization_id TEXT;
ALTER TABLE accounts ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';

CREATE INDEX accounts_organization ON accounts (organization_id);

-- A token is kept as its SHA-256; what must be read again is sealed with a key that is not in the store.
CREATE TABLE account_credentials (
    org        TEXT    NOT NULL,
    livechat   TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    webhook_id TEXT    NOT NULL DEFAULT '',
    sha256     BLOB    CHECK (length(sha256) = 32),
    sealed     BLOB,
    added_us   INTEGER NOT NULL,
    rotated_us INTEGER,
    expires_us INTEGER,
    PRIMARY KEY (org, livechat, id),
    CHECK ((sha256 IS NULL) <> (sealed IS NULL)),
    FOREIGN KEY (org, livechat) REFERENCES accounts (org, livechat) ON DELETE CASCADE
) WITHOUT ROWID;

INSERT INTO account_credentials (org, livechat, id, kind, name, sha256, added_us)
SELECT org, livechat, 'cred_' || lower(hex(substr(sha256, 1, 10))), 'token', 'default', sha256, added_us
FROM account_tokens;

DROP TABLE account_tokens;
