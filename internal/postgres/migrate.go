package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The lock that lets one process migrate a database at a time is asked for once a second, for five minutes: longer than
// any migration so far by far, and the caller's context may end it sooner.
const (
	lockEvery = 1   // seconds
	lockTries = 300 // times
)

// Migrate brings the schema of the database to this version. An advisory lock lets one process migrate at a time; the
// others wait until ctx ends. A schema that is newer already is store.ErrSchemaNew. The database itself must exist.
// Behind a pooler it needs a session of its own: give Migrate the server's address.
func Migrate(ctx context.Context, dsn string) error {
	config, err := parse(dsn)
	if err != nil {
		return fmt.Errorf("migrate store: %w", err)
	}
	return schemaError(ctx, "migrate store", migrate(ctx, config.ConnConfig))
}

// Schema says which version the database has, 0 when it has none, and which one this program wants. It makes nothing.
func Schema(ctx context.Context, dsn string) (has, want int64, err error) {
	config, err := parse(dsn)
	if err != nil {
		return 0, 0, fmt.Errorf("look at schema: %w", err)
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	has, err = schemaVersion(ctx, db)
	return has, lastVersion(), schemaError(ctx, "look at schema", errors.Join(err, db.Close()))
}

// schemaError is what may be told of an error of database/sql.
func schemaError(ctx context.Context, what string, err error) error {
	if ended := ctx.Err(); err != nil && ended != nil {
		return fmt.Errorf("%s: %w", what, ended)
	}
	if err == nil || errors.Is(err, store.ErrSchemaNew) {
		return err
	}
	var connect *pgconn.ConnectError
	trouble := &trouble{err: err, away: errors.As(err, &connect)}
	err = fmt.Errorf("%s: %s", what, err.Error()) // statements of a schema quote no row, but the chain has the password
	if trouble.outage() {
		return messages.Unavailable(err)
	}
	return err
}

func migrate(ctx context.Context, config *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SET statement_timeout = 0`) // an index of a large table takes its time
		return err
	}))
	defer func() { err = errors.Join(err, db.Close()) }()
	var encoding, fsync string
	if err := db.QueryRowContext(ctx, serverFacts).Scan(&encoding, &fsync); err != nil {
		return fmt.Errorf("look at database: %w", err)
	}
	if err := checkEncoding(encoding); err != nil {
		return err
	}
	has, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if has > lastVersion() {
		return store.ErrSchemaNew
	}
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("apply migrations: %w", err)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEvery, lockTries))
	if err != nil {
		return nil, fmt.Errorf("make migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, dir,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return provider, nil
}

// lastVersion is the newest schema that this program knows.
func lastVersion() int64 {
	names, _ := fs.Glob(migrations, "migrations/*.sql") // sorted; the pattern is right
	last, _ := goose.NumericComponent(names[len(names)-1])
	return last
}

const (
	hasVersions   = `SELECT to_regclass('goose_db_version') IS NOT NULL`
	newestVersion = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`
)

// schemaVersion reads the version without making goose's table, which goose itself would do; 0 when there is none.
func schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var any bool
	if err := db.QueryRowContext(ctx, hasVersions).Scan(&any); err != nil {
		return 0, fmt.Errorf("look for schema version: %w", err)
	}
	if any {
		if err := db.QueryRowContext(ctx, newestVersion).Scan(&version); err != nil {
			return 0, fmt.Errorf("read schema version: %w", err)
		}
	}
	return version, nil
}

// checkSchema compares the database's version with the newest one known here.
func (s *Store) checkSchema(ctx context.Context) error {
	var any bool
	var has int64
	if err := s.read(ctx, "look for schema version", func(c *call) { c.each(hasVersions, nil, into(&any)) }); err != nil {
		return err
	}
	if any {
		if err := s.read(ctx, "read schema version", func(c *call) { c.each(newestVersion, nil, into(&has)) }); err != nil {
			return err
		}
	}
	switch want := lastVersion(); {
	case has < want:
		return fmt.Errorf("open store: %w", store.ErrSchemaOld)
	case has > want:
		return fmt.Errorf("open store: %w", store.ErrSchemaNew)
	}
	return nil
}
