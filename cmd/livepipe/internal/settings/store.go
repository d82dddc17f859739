package settings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// StoreConfig chooses the database and the place of the files.
type StoreConfig struct {
	Store string `env:"LIVEPIPE_STORE" help:"Database: sqlite:PATH (default: sqlite:DATA/livepipe.db) or postgres://USER:PASSWORD@HOST/DATABASE."`
	Blobs string `env:"LIVEPIPE_BLOBS" help:"Uploaded files: file:///DIRECTORY or a path that begins with /, ./ or ../ (default: DATA/blobs), or s3://BUCKET[/PREFIX]."`

	SecretKeyFile string `name:"sealing-key-file" env:"LIVEPIPE_SECRET_KEY_FILE" help:"Key that seals LiveChat's secret_keys and signing secrets in the database (default: DATA/secret.key). Made on first use, mode 0600. Processes that share a database need the same one."`
}

// OpenStore is an open database, whichever it is.
type OpenStore interface {
	app.Store
	SaveAccount(ctx context.Context, a store.Account) error
	RemoveAccount(ctx context.Context, of messages.Tenant) error
	RemoveCredential(ctx context.Context, of messages.Tenant, id string) error
	Accounts(ctx context.Context) ([]store.Account, error)
	Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error)
	Close() error
}

// postgresURL is the address of the PostgreSQL server that the settings name, or false.
func (c StoreConfig) postgresURL() (string, bool) {
	return c.Store, strings.HasPrefix(c.Store, "postgres://") || strings.HasPrefix(c.Store, "postgresql://")
}

// sqliteScheme stands before the path of a SQLite file.
const sqliteScheme = "sqlite:"

// storePath is the SQLite file that the settings name.
func (c ProcessConfig) storePath() (string, error) {
	if c.Store == "" {
		return c.DataPath("livepipe.db"), nil
	}
	path, ok := strings.CutPrefix(c.Store, sqliteScheme)
	if !ok || path == "" {
		return "", errors.New("LIVEPIPE_STORE must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
	}
	return path, nil
}

// OpenStore opens what LIVEPIPE_STORE names.
func (c ProcessConfig) OpenStore(ctx context.Context) (OpenStore, error) {
	if address, ok := c.postgresURL(); ok {
		return postgres.Open(ctx, address, postgres.Options{Logger: c.Logger()})
	}
	path, err := c.storePath()
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path, sqlite.Options{})
}

// SecretKeyPath is the file of the key that seals secrets.
func (c ProcessConfig) SecretKeyPath() string {
	if c.SecretKeyFile != "" {
		return c.SecretKeyFile
	}
	return c.DataPath("secret.key")
}

// SecretKey reads the key that seals secrets, and makes it when there is none.
func (c ProcessConfig) SecretKey() (*secrets.Key, error) { return secrets.Load(c.SecretKeyPath()) }

// WithStore is for commands that end by themselves.
func (c ProcessConfig) WithStore(ctx context.Context, use func(OpenStore) error) error {
	db, err := c.OpenStore(ctx)
	if err != nil {
		return err
	}
	return closing(db.Close, func() error { return use(db) })
}

// WithFirstStore is WithStore for the commands that people begin with: it makes the default store when there is none. A
// store that LIVEPIPE_STORE names is never made here, because a name may be a slip; nor is the schema of one that is there
// changed, because a process may be using it.
func (c ProcessConfig) WithFirstStore(ctx context.Context, std Streams, use func(OpenStore) error) error {
	if c.Store == "" {
		path, err := filepath.Abs(c.DataPath("livepipe.db"))
		if err != nil {
			return fmt.Errorf("find the store: %w", err)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if _, err := c.Migrate(ctx); err != nil {
				return err
			}
			fmt.Fprintf(std.Err, "Made the store %s (LIVEPIPE_DATA says where).\n", path)
		}
	}
	return c.WithStore(ctx, use)
}

// Migrate brings the store's schema up to date and says which store that is.
func (c ProcessConfig) Migrate(ctx context.Context) (string, error) {
	if address, ok := c.postgresURL(); ok {
		return Hide("", address), postgres.Migrate(ctx, address)
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

// Schema says which version the store's schema has, which one it should have, and which store that is. It changes nothing.
func (c ProcessConfig) Schema(ctx context.Context) (name string, has, want int64, err error) {
	if address, ok := c.postgresURL(); ok {
		has, want, err = postgres.Schema(ctx, address)
		return Hide("", address), has, want, err
	}
	if name, err = c.storePath(); err != nil {
		return "", 0, 0, err
	}
	has, want, err = sqlite.Schema(ctx, name)
	return name, has, want, err
}

// blobsURL is the place of the files that the settings name.
func (c ProcessConfig) blobsURL() (string, error) {
	if c.Blobs != "" {
		return c.Blobs, nil
	}
	dir, err := filepath.Abs(c.DataPath("blobs"))
	if err != nil {
		return "", fmt.Errorf("find the directory of the files: %w", err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String(), nil
}

// Bucket is the name of the S3 bucket that the settings name, or empty. Provision's rules of what expires are for a
// bucket of its own.
func (c StoreConfig) Bucket() (string, error) {
	u, err := url.Parse(c.Blobs)
	if err != nil || u.Scheme != "s3" {
		return "", nil //nolint:nilerr // blobs.Open says what is wrong with it, and does not quote it
	}
	if strings.Trim(u.Path, "/") != "" {
		return "", errors.New("provision makes a bucket of livepipe's own: LIVEPIPE_BLOBS must be s3://BUCKET, without a prefix")
	}
	return u.Host, nil
}

// OpenBlobs opens what LIVEPIPE_BLOBS names.
func (c ProcessConfig) OpenBlobs(ctx context.Context) (*blobs.Store, error) {
	address, err := c.blobsURL()
	if err != nil {
		return nil, err
	}
	return blobs.Open(ctx, address)
}
