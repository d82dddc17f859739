package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"

	"github.com/livepipe/livepipe/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate makes the file if there is none and brings its schema to this version. A lock file beside it lets one process
// migrate at a time; the others wait until ctx ends. A schema that is newer already is store.ErrSchemaNew.
func Migrate(ctx context.Context, path string) error {
	if err := migrate(ctx, path); err != nil {
		return fmt.Errorf("migrate store: %w", outage(err))
	}
	return nil
}

func migrate(ctx context.Context, path string) (err error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	// 50 ms: short beside a migration, long beside one attempt to lock.
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return fmt.Errorf("lock file: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := create(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", writerDSN(path, defaultBusyTimeout))
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	has, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if has > lastVersion(provider) {
		return store.ErrSchemaNew
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("apply migrations: %w", err)
	}
	return nil
}

// Schema says which version the file has, 0 when there is none, and which one this program wants. It makes nothing.
func Schema(ctx context.Context, path string) (has, want int64, err error) {
	file := readerDSN(path, defaultBusyTimeout)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		file = ":memory:"
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return 0, 0, fmt.Errorf("look at schema: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := newProvider(db)
	if err != nil {
		return 0, 0, err
	}
	if has, err = schemaVersion(ctx, db); err != nil {
		return 0, 0, fmt.Errorf("look at schema: %w", outage(err))
	}
	return has, lastVersion(provider), nil
}

// create makes an empty file that only its owner may read, because conversations are personal data; SQLite gives the
// same mode to the -wal and -shm files. The file is never opened here when it exists: closing any descriptor of it would
// drop the POSIX locks that other connections of this process hold.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil { // the new name must survive a power cut as its content does
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return provider, nil
}

// lastVersion is the newest schema that this program knows.
func lastVersion(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// schemaVersion reads the version without making goose's table, which goose itself would do; 0 when there is none.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	const named = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'goose_db_version'`
	if err := db.QueryRowContext(ctx, named).Scan(&tables); err != nil {
		return 0, fmt.Errorf("look for schema version: %w", err)
	}
	if tables == 0 {
		return 0, nil
	}
	var version int64
	const newest = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`
	if err := db.QueryRowContext(ctx, newest).Scan(&version); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// checkSchema compares the file's version with the newest one known here.
func checkSchema(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	has, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	switch want := lastVersion(provider); {
	case has < want:
		return store.ErrSchemaOld
	case has > want:
		return store.ErrSchemaNew
	}
	return nil
}
