package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// tx is what a job sees of the transaction that it shares. Statements are prepared once for the life of the connection.
// They run without a context: one statement is short, and interrupting it would end its neighbours' transaction too.
type tx struct {
	conn   *sql.Conn
	cached map[string]*sql.Stmt // by text: every text is a constant, so the map stays small
}

func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := t.cached[query]; ok {
		return stmt, nil
	}
	stmt, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	t.cached[query] = stmt
	return stmt, nil
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// scan reads the one row of a query into dest and reports whether there was one.
func (t *tx) scan(query string, args []any, dest ...any) (bool, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return false, err
	}
	return found(stmt.QueryRowContext(context.Background(), args...).Scan(dest...))
}

// each calls row for every row of a query.
func (t *tx) each(query string, args []any, row func(*sql.Rows) error) error {
	stmt, err := t.prepare(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	return eachRow(rows, err, row)
}

func (t *tx) close() error {
	var errs []error
	for _, stmt := range t.cached {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}
