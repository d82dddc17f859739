package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// reader is the pool of read-only connections. In WAL mode they never wait for the writer.
type reader struct {
	db     *sql.DB
	use    sync.RWMutex // held for reading by each call, so that close waits for those in flight
	closed bool
	mu     sync.Mutex
	cached map[string]*sql.Stmt // by text; database/sql prepares each once for each connection
}

func openReader(path string, busy time.Duration) (*reader, error) {
	db, err := sql.Open("sqlite", readerDSN(path, busy))
	if err != nil {
		return nil, fmt.Errorf("open read connections: %w", err)
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return &reader{db: db, cached: map[string]*sql.Stmt{}}, nil
}

// close waits for the reads in flight; later ones meet errClosed.
func (r *reader) close() error {
	r.use.Lock()
	defer r.use.Unlock()
	r.closed = true
	return r.db.Close() // the statements too
}

func (r *reader) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	stmt, ok := r.cached[query]
	r.mu.Unlock()
	if ok {
		return stmt, nil
	}
	stmt, err := r.db.PrepareContext(ctx, query) // not under the lock: it may wait for a free connection
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.cached[query]; ok {
		return other, stmt.Close()
	}
	r.cached[query] = stmt
	return stmt, nil
}

// scan reads the one row of a query into dest and reports whether there was one.
func (r *reader) scan(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	r.use.RLock()
	defer r.use.RUnlock()
	if r.closed {
		return false, errClosed
	}
	stmt, err := r.prepare(ctx, query)
	if err != nil {
		return false, err
	}
	return found(stmt.QueryRowContext(ctx, args...).Scan(dest...))
}

// each calls row for every row of a query.
func (r *reader) each(ctx context.Context, query string, args []any, row func(*sql.Rows) error) error {
	r.use.RLock()
	defer r.use.RUnlock()
	if r.closed {
		return errClosed
	}
	stmt, err := r.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	return eachRow(rows, err, row)
}

// view is one moment of the store: all its queries see the same commits.
type view struct {
	r     *reader
	ctx   context.Context
	tx    *sql.Tx
	fresh *[]string // statements that are to be prepared for the views after this one
}

func (r *reader) view(ctx context.Context, fn func(view) error) error {
	r.use.RLock()
	defer r.use.RUnlock()
	if r.closed {
		return errClosed
	}
	var fresh []string
	if err := r.moment(ctx, func(tx *sql.Tx) error { return fn(view{r: r, ctx: ctx, tx: tx, fresh: &fresh}) }); err != nil {
		return err
	}
	for _, query := range fresh { // now that no connection is held
		_, _ = r.prepare(ctx, query) // the view itself is done; the next one asks again
	}
	return nil
}

func (r *reader) moment(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // nothing to commit
	return fn(tx)
}

// prepare needs no connection but the view's own: views that each hold one and wait for another would never end.
func (v view) prepare(query string) (*sql.Stmt, error) {
	v.r.mu.Lock()
	stmt, ok := v.r.cached[query]
	v.r.mu.Unlock()
	if ok {
		return v.tx.StmtContext(v.ctx, stmt), nil
	}
	*v.fresh = append(*v.fresh, query)
	stmt, err := v.tx.PrepareContext(v.ctx, query) // closed with the transaction
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	return stmt, nil
}

func (v view) scan(query string, args []any, dest ...any) (bool, error) {
	stmt, err := v.prepare(query)
	if err != nil {
		return false, err
	}
	return found(stmt.QueryRowContext(v.ctx, args...).Scan(dest...))
}

func (v view) each(query string, args []any, row func(*sql.Rows) error) error {
	stmt, err := v.prepare(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(v.ctx, args...)
	return eachRow(rows, err, row)
}

func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func eachRow(rows *sql.Rows, err error, row func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
