-- +goose Up

-- limits is JSON (store.Limits), so that a new limit needs no migration. organization_id is LiveChat's own; several
-- accounts may have the same one.
ALTER TABLE accounts ADD COLUMN organization_id text COLLATE "C";
ALTER TABLE accounts ADD COLUMN limits text NOT NULL DEFAULT '{}';

CREATE INDEX accounts_organization ON accounts (organization_id);

-- A token is kept as its SHA-256; what must be read again is sealed with a key that is not in the store.
CREATE TABLE account_credentials (
    org        text COLLATE "C" NOT NULL,
    livechat   text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    kind       text NOT NULL,
    name       text NOT NULL,
    webhook_id text NOT NULL DEFAULT '',
    sha256     bytea CHECK (length(sha256) = 32),
    sealed     bytea,
    added_us   bigint NOT NULL,
    rotated_us bigint,
    expires_us bigint,
    PRIMARY KEY (org, livechat, id),
    CHECK ((sha256 IS NULL) <> (sealed IS NULL)),
    FOREIGN KEY (org, livechat) REFERENCES accounts (org, livechat) ON DELETE CASCADE
);

INSERT INTO account_credentials (org, livechat, id, kind, name, sha256, added_us)
SELECT org, livechat, 'cred_' || encode(substr(sha256, 1, 10), 'hex'), 'token', 'default', sha256, added_us
FROM account_tokens;

DROP TABLE account_tokens;
