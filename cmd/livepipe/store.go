package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/livepipe/livepipe/internal/app"
	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/postgres"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/sqlite"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// storeConfig chooses the database and the place of the files.
type storeConfig struct {
	Store string `env:"LIVEPIPE_STORE" help:"Database: sqlite:PATH (default: sqlite:DATA/livepipe.db) or postgres://USER:PASSWORD@HOST/DATABASE."`
	Blobs string `env:"LIVEPIPE_BLOBS" help:"Uploaded files: file:///DIRECTORY (default: DATA/blobs) or s3://BUCKET."`

	SecretKeyFile string `name:"sealing-key-file" env:"LIVEPIPE_SECRET_KEY_FILE" help:"Key that seals LiveChat's secret_keys and signing secrets in the database (default: DATA/secret.key). Made on first use, mode 0600. Processes that share a database need the same one."`
}

// openStore is an open database, whichever it is.
type openStore interface {
	app.Store
	SaveAccount(ctx context.Context, a store.Account) error
	RemoveAccount(ctx context.Context, of messages.Tenant) error
	RemoveCredential(ctx context.Context, of messages.Tenant, id string) error
	Accounts(ctx context.Context) ([]store.Account, error)
	Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error)
	Close() error
}

// postgresURL is the address of the PostgreSQL server that the settings name, or false.
func (c storeConfig) postgresURL() (string, bool) {
	return c.Store, strings.HasPrefix(c.Store, "postgres://") || strings.HasPrefix(c.Store, "postgresql://")
}

// storePath is the SQLite file that the settings name.
func (c processConfig) storePath() (string, error) {
	if c.Store == "" {
		return c.dataPath("livepipe.db"), nil
	}
	path, ok := strings.CutPrefix(c.Store, "sqlite:")
	if !ok || path == "" {
		return "", errors.New("LIVEPIPE_STORE must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
	}
	return path, nil
}

// openStore opens what LIVEPIPE_STORE names.
func (c processConfig) openStore(ctx context.Context) (openStore, error) {
	if address, ok := c.postgresURL(); ok {
		return postgres.Open(ctx, address, postgres.Options{Logger: c.logger()})
	}
	path, err := c.storePath()
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path, sqlite.Options{})
}

// secretKeyPath is the file of the key that seals secrets.
func (c processConfig) secretKeyPath() string {
	if c.SecretKeyFile != "" {
		return c.SecretKeyFile
	}
	return c.dataPath("secret.key")
}

// secretKey reads the key that seals secrets, and makes it when there is none.
func (c processConfig) secretKey() (*secrets.Key, error) { return secrets.Load(c.secretKeyPath()) }

// withStore is for commands that end by themselves.
func (c processConfig) withStore(ctx context.Context, use func(openStore) error) (err error) {
	db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return use(db)
}

// migrate brings the store's schema up to date and says which store that is.
func (c processConfig) migrate(ctx context.Context) (string, error) {
	if address, ok := c.postgresURL(); ok {
		return hide("", address), postgres.Migrate(ctx, address)
	}
	path, err := c.storePath()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return "", fmt.Errorf("make the data directory (LIVEPIPE_DATA): %w", err)
	}
	return path, sqlite.Migrate(ctx, path)
}

// blobsURL is the place of the files that the settings name.
func (c processConfig) blobsURL() (string, error) {
	if c.Blobs != "" {
		return c.Blobs, nil
	}
	dir, err := filepath.Abs(c.dataPath("blobs"))
	if err != nil {
		return "", fmt.Errorf("find the directory of the files: %w", err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String(), nil
}

// bucket is the name of the S3 bucket that the settings name, or empty. Provision's rules of what expires are for a
// bucket of its own.
func (c storeConfig) bucket() (string, error) {
	u, err := url.Parse(c.Blobs)
	if err != nil || u.Scheme != "s3" {
		return "", nil //nolint:nilerr // blobs.Open says what is wrong with it, and does not quote it
	}
	if strings.Trim(u.Path, "/") != "" {
		return "", errors.New("provision makes a bucket of livepipe's own: LIVEPIPE_BLOBS must be s3://BUCKET, without a prefix")
	}
	return u.Host, nil
}

func (c processConfig) openBlobs(ctx context.Context) (*blobs.Store, error) {
	address, err := c.blobsURL()
	if err != nil {
		return nil, err
	}
	return blobs.Open(ctx, address)
}
