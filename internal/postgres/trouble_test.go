package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/livepipe/livepipe/messages"
)

func TestOutcomeOfEachServerError(t *testing.T) {
	const outage, permanent, counted = "outage", "permanent", "counted"
	for code, want := range map[string]string{
		"08006": outage,    // connection failure
		"25006": outage,    // read only: a standby
		"28P01": outage,    // password refused
		"26000": outage,    // a pooler between us that does not know prepared statements,
		"42P05": outage,    // in two ways
		"3D000": outage,    // no such database
		"40001": outage,    // serialization failure, after retries
		"40P01": outage,    // deadlock, after retries
		"42501": outage,    // no privileges
		"42P01": outage,    // no such table
		"53100": outage,    // disk full
		"53200": outage,    // out of memory
		"53300": outage,    // too many connections
		"55P03": outage,    // lock not available
		"57014": outage,    // statement timeout
		"57P01": outage,    // shut down by an administrator
		"57P02": outage,    // a crash of another session
		"57P03": outage,    // starting up
		"58030": outage,    // input or output
		"F0000": outage,    // configuration
		"XX001": outage,    // corruption
		"22003": permanent, // out of range
		"22021": permanent, // not in the encoding
		"54000": permanent, // an index row too large
		"23505": counted,   // unique
		"23514": counted,   // check
		"42601": counted,   // syntax
		"P0001": counted,   // somebody's trigger
		"0A000": counted,   // not supported
	} {
		err := failed(t.Context(), "save message", &trouble{err: fmt.Errorf("query: %w", &pgconn.PgError{
			Code: code, Message: "the server's words", Detail: "Key (text)=(secret)", Where: "secret", InternalQuery: "secret",
		})})
		got := counted
		var final *messages.PermanentError
		switch {
		case messages.IsUnavailable(err):
			got = outage
		case errors.As(err, &final):
			got = permanent
		}
		if got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "words") && want == counted {
			t.Errorf("%s: %v quotes what may be a row", code, err)
		}
		var server *pgconn.PgError
		if errors.As(err, &server) {
			t.Errorf("%s: the chain still holds the row", code)
		}
	}
}

func TestOutcomeWithoutAServerError(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cause := errors.New("secret")
	for name, tt := range map[string]struct {
		ctx    context.Context
		t      *trouble
		outage bool
		says   string
	}{
		"the caller's end":    {ended, &trouble{err: cause, lost: true}, false, "context canceled"},
		"our own bound":       {t.Context(), &trouble{err: context.DeadlineExceeded}, true, "deadline"},
		"the driver's bug":    {t.Context(), &trouble{err: cause}, false, "errors.errorString"},
		"a lost connection":   {t.Context(), &trouble{err: errors.New("reset by peer"), lost: true}, true, "reset"},
		"a FATAL server word": {t.Context(), &trouble{err: &pgconn.PgError{Code: "0A000", Message: "no"}, lost: true}, true, "0A000"},
	} {
		err := failed(tt.ctx, "save message", tt.t)
		if messages.IsUnavailable(err) != tt.outage || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
