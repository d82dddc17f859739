// Package postgres keeps the store in a PostgreSQL database. Every call is one round trip and one transaction, through a
// pool of connections. It imports no other technology of livepipe.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options tunes a Store. The zero value is ready to use; the bounds of the pool and the sessions stand in the DSN.
type Options struct {
	// Logger hears what is wrong with the server's own settings; nil is silence.
	Logger *slog.Logger
}

// Store is a PostgreSQL database. All methods may be called from many goroutines. An outage (server away, starting,
// full, read-only, too slow; closed) is messages.Unavailable; it ends by itself, without a new Store. No error quotes a
// row or the DSN's password.
type Store struct {
	pool   *pgxpool.Pool
	closed atomic.Bool
}

// Open connects to the database that Migrate has prepared. It answers store.ErrSchemaOld or store.ErrSchemaNew when the
// schema is not the one of this program.
//
// The DSN is a URL or a list of key=value, as libpq and pgx take it. Without these settings in it: pool_max_conns is four
// for each CPU, from 4 to 16; connect_timeout 5 s; statement_timeout 10 s. Behind a pooler that knows no prepared
// statements it needs default_query_exec_mode=exec (see docs of pgx.QueryExecMode).
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	config, err := parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, failed(ctx, "open store", &trouble{err: err})
	}
	s := &Store{pool: pool}
	if err := s.check(ctx, o.Logger); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close waits for the calls in flight and closes every connection. Calls after it are outages.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.pool.Close()
	return nil
}

// Health reports whether the store can take a write now, by making one.
func (s *Store) Health(ctx context.Context) error {
	const note = `UPDATE store_facts SET writes = writes + 1 WHERE "only" = 1`
	var noted int64
	err := s.write(ctx, "write to store", func(c *call) { c.count(&noted, note) })
	if err == nil && noted != 1 {
		return errors.New("write to store: store_facts has lost its row")
	}
	return err
}

// check looks at what the database is and says what the server's settings put at risk.
func (s *Store) check(ctx context.Context, log *slog.Logger) error {
	var encoding, fsync string
	err := s.read(ctx, "look at database", func(c *call) { c.each(serverFacts, nil, into(&encoding, &fsync)) })
	if err != nil {
		return err
	}
	if err := checkEncoding(encoding); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if fsync != "on" {
		log.Warn("the database server acknowledges before anything is on disk: a power cut may lose messages", "fsync", fsync)
	}
	return s.checkSchema(ctx)
}

const serverFacts = `SELECT current_setting('server_encoding'), current_setting('fsync')`

// checkEncoding refuses a database that could not keep every character: the one moment to say so is before the first.
func checkEncoding(encoding string) error {
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s: make it anew with ENCODING 'UTF8'", encoding)
	}
	return nil
}
