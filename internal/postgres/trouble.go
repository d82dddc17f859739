package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/livepipe/livepipe/messages"
)

// The SQLSTATE codes that are treated one by one (PostgreSQL manual, appendix A).
const (
	readOnly             = "25006"
	serializationFailure = "40001"
	deadlock             = "40P01"
	cachedPlanChanged    = "0A000" // feature_not_supported: what a prepared statement meets after its table was altered
	noSuchStatement      = "26000" // a pooler that knows no prepared statements gave us another server
	statementExists      = "42P05" // or one where somebody else prepared the same
	undefinedTable       = "42P01"
)

// trouble is why an attempt failed.
type trouble struct {
	err  error
	away bool // no connection was to be had
	lost bool // the connection broke; whether the server did anything is unknown
}

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

// code is the server's SQLSTATE, or "" when the server said nothing.
func (t *trouble) code() string {
	if server := t.server(); server != nil {
		return server.Code
	}
	return ""
}

func (t *trouble) server() *pgconn.PgError {
	var server *pgconn.PgError
	errors.As(t.err, &server)
	return server
}

// undone reports whether the attempt certainly had no effect and another one may do better at once.
func (t *trouble) undone() bool {
	switch t.code() {
	case serializationFailure, deadlock, cachedPlanChanged, noSuchStatement:
		return true
	}
	return !t.away && pgconn.SafeToRetry(t.err)
}

// outage reports whether no message could be written at the moment, whatever it says. A connection is lost by trouble on
// the way and by a server that goes; an argument that cannot be encoded, say, leaves it open.
func (t *trouble) outage() bool {
	code := t.code()
	if t.away || t.lost || code == "" && outOfTime(t.err) {
		return true
	}
	switch code {
	case readOnly, serializationFailure, deadlock, noSuchStatement, statementExists,
		"42501", undefinedTable, "42703", "3F000": // privileges or tables taken away: needs a person; until then all wait
		return true
	}
	switch class(code) {
	case "08", "28", "3D", // connection, authentication, no such database
		"53", "55", "57", "58", // resources, locks, an operator's intervention (a timeout too), the disk
		"F0", "XX": // configuration, corruption
		return true
	}
	return false
}

// hopeless reports whether the server will refuse these values every time: data exceptions (22) and limits such as the
// size of an index row (54).
func (t *trouble) hopeless() bool { return class(t.code()) == "22" || class(t.code()) == "54" }

func class(code string) string { return code[:min(2, len(code))] }

func outOfTime(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// failed is what a caller gets to hear: the verb and object, and either the end of its own context or what went wrong,
// marked as an outage or as permanent where it is.
func failed(ctx context.Context, doing string, t *trouble) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%s: %w", doing, ended)
	}
	err := fmt.Errorf("%s: %s", doing, t.told())
	switch {
	case t.outage():
		return messages.Unavailable(err)
	case t.hopeless():
		return messages.Permanent(messages.ReasonUndecodable, err)
	}
	return err
}

// told is the text of the trouble without anything that a row may hold. The chain of the original ends here too: its
// errors carry details and the connection's settings, password included, for whoever prints them with all fields.
func (t *trouble) told() string {
	server := t.server()
	switch {
	case t.away, server == nil && (t.lost || outOfTime(t.err)):
		return t.err.Error() // the network's words: addresses, user and database
	case server == nil:
		return fmt.Sprintf("the driver refused with %T", t.err)
	case server.Code == noSuchStatement, server.Code == statementExists:
		return server.Message + ": a pooler that knows no prepared statements needs default_query_exec_mode=exec in the address"
	case t.outage(), class(server.Code) == "54": // these speak of the server and its limits
		return fmt.Sprintf("%s (SQLSTATE %s)", server.Message, server.Code)
	case server.ConstraintName != "":
		return fmt.Sprintf("constraint %s (SQLSTATE %s)", server.ConstraintName, server.Code)
	default: // may quote a value
		return "SQLSTATE " + server.Code
	}
}
