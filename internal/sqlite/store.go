// Package sqlite keeps the store in one SQLite file: WAL, synchronous=FULL, one write connection whose commits are shared
// by everything that waits, and a few read-only connections. It imports no other technology of livepipe.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/livepipe/livepipe/internal/store"
)

// defaultBusyTimeout bounds the wait for another process that holds the write lock. A full batch with a checkpoint takes
// well under a second; above 5 s something holds on to the file.
const defaultBusyTimeout = 5 * time.Second

// readers is the number of read-only connections. A page is CPU work of a fraction of a millisecond from cached pages,
// so a few more than the usual number of cores are enough; each costs up to 2 MB of page cache.
const readers = 4

// Options tunes a Store. The zero value is ready to use.
type Options struct {
	// BusyTimeout bounds the wait for another process's write lock; zero means 5 s.
	BusyTimeout time.Duration
}

// Store is a SQLite file. All methods may be called from many goroutines. An outage (file locked, disk full, I/O error,
// closed) is messages.Unavailable.
type Store struct {
	writer  *committer
	reader  *reader
	db      *sql.DB // owns the writer's connection
	closing chan struct{}
	close   func() error
}

// Open opens the file at path, which Migrate has made. It answers store.ErrSchemaOld or store.ErrSchemaNew when the file's schema is
// not the one of this program.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", outage(err))
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (_ *Store, err error) {
	if o.BusyTimeout == 0 {
		o.BusyTimeout = defaultBusyTimeout
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrSchemaOld
	}
	db, err := sql.Open("sqlite", writerDSN(path, o.BusyTimeout))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	db.SetMaxOpenConns(1)
	if err := checkSchema(ctx, db); err != nil {
		return nil, err
	}
	if err := checkDurable(ctx, db); err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open write connection: %w", err)
	}
	r, err := openReader(path, o.BusyTimeout)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := &Store{db: db, reader: r, closing: make(chan struct{})}
	s.writer = startCommitter(conn, s.closing)
	s.close = sync.OnceValue(s.shut)
	return s, nil
}

// Close waits for the reads and the batch of writes in flight and closes every connection; the last one folds the WAL
// into the file. Writes that wait for their turn and calls after it are outages.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	close(s.closing)
	// The write connection goes last: only a connection that may write folds the WAL.
	if err := errors.Join(s.reader.close(), s.writer.wait(), s.db.Close()); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Health reports whether the store can take a write now, by making one.
func (s *Store) Health(ctx context.Context) error {
	err := s.writer.do(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE store_facts SET writes = writes + 1 WHERE only = 1`)
		return err
	})
	return failed("write to store", err)
}

// checkDurable makes sure of the two settings that an acknowledged write depends on: a file system may refuse WAL
// without an error.
func checkDurable(ctx context.Context, db *sql.DB) error {
	var journal string
	var synchronous int
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&journal); err != nil {
		return fmt.Errorf("read journal mode: %w", err)
	}
	if err := db.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&synchronous); err != nil {
		return fmt.Errorf("read synchronous mode: %w", err)
	}
	if journal != "wal" || synchronous != 2 { // 2 is FULL: fsync at every commit
		return fmt.Errorf("file system allows journal mode %s with synchronous %d only, not WAL with 2", journal, synchronous)
	}
	return nil
}

// writerDSN opens an existing file for reading and writing. The WAL is cut back to 64 MiB after a burst: it has about
// 4 MiB in the steady state (1,000 pages between checkpoints), and a file that only grows looks like a leak.
func writerDSN(path string, busy time.Duration) string {
	return dsn(path, "rw", busy, "journal_mode(wal)", "synchronous(full)", "foreign_keys(on)", "journal_size_limit(67108864)")
}

func readerDSN(path string, busy time.Duration) string {
	return dsn(path, "ro", busy, "query_only(on)")
}

func dsn(path, mode string, busy time.Duration, pragmas ...string) string {
	if abs, err := filepath.Abs(path); err == nil { // a relative path would be taken for the URI's host
		path = abs
	}
	q := url.Values{"mode": {mode}}
	q.Add("_pragma", "busy_timeout("+strconv.FormatInt(busy.Milliseconds(), 10)+")")
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}
