package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/livepipe/livepipe/messages"
)

// errClosed is the cause of the outage that every call meets after Close.
var errClosed = errors.New("store is closed")

// failed wraps the error of a call with its verb and object and marks what is an outage. What a caller's context ended
// passes as the context's error.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return outage(err)
}

// outage marks err as messages.Unavailable when no message could be written at the moment, whatever it says.
func outage(err error) error {
	if messages.IsUnavailable(err) || !isOutage(err) {
		return err
	}
	return messages.Unavailable(err)
}

func isOutage(err error) bool {
	if errors.Is(err, errClosed) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff { // the primary code; the rest of the bits say more about it
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, // another process holds on
		sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB: // needs a person; until then every message has to wait
		return true
	}
	return false
}
