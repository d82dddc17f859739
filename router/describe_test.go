package router

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"testing"

	"github.com/livepipe/livepipe/messages"
)

// spoken says about itself what may be logged.
type spoken struct{}

func (spoken) Error() string        { return secretText }
func (spoken) LogValue() slog.Value { return slog.StringValue("destination crm answered 404") }

// coded is like an error of SQLite.
type coded struct{}

func (coded) Error() string { return secretText }
func (coded) Code() int     { return 13 }

// stated is like an error of PostgreSQL.
type stated struct{}

func (stated) Error() string    { return secretText }
func (stated) SQLState() string { return "53100" }

func TestDescribeNeverQuotes(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"nothing":              {nil, ""},
		"a text of anybody":    {errors.New(secretText), "*errors.errorString"},
		"wrapped and marked":   {messages.Unavailable(fmt.Errorf("save: %w", errors.New(secretText))), "*errors.errorString"},
		"one that speaks":      {fmt.Errorf("post: %w", messages.Permanent("refused", spoken{})), "destination crm answered 404"},
		"a panic":              {&panicError{kind: "string", place: "workers/history.go:7"}, "handler panicked with string at workers/history.go:7"},
		"a code":               {fmt.Errorf("insert: %w", coded{}), "router.coded code 13"},
		"a state":              {fmt.Errorf("insert: %w", stated{}), `router.stated state "53100"`},
		"the operating system": {fmt.Errorf("write %s: %w", secretText, syscall.ENOSPC), "no space left on device"},
		"a path":               {&os.PathError{Op: "open", Path: secretText, Err: fs.ErrNotExist}, "file does not exist"},
		"a deadline":           {fmt.Errorf("%s: %w", secretText, context.DeadlineExceeded), "context deadline exceeded"},
	}
	for name, tt := range tests {
		if got := describe(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
