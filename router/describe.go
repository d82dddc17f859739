package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"syscall"

	"github.com/livepipe/livepipe/messages"
)

// describe says what went wrong without quoting an error's text, which may hold what somebody wrote. An error says more
// about itself by implementing slog.LogValuer; well-known conditions and codes are named; of all others only the types
// are told.
func describe(err error) string {
	if err == nil {
		return ""
	}
	var speaker interface {
		error
		slog.LogValuer
	}
	if errors.As(err, &speaker) {
		return speaker.LogValue().String()
	}
	var crash *panicError
	if errors.As(err, &crash) {
		return crash.Error()
	}
	if known := condition(err); known != "" {
		return known
	}
	return strings.Join(types(err), " > ")
}

// condition names what is the same in every process.
func condition(err error) string {
	var errno syscall.Errno
	var sqlite interface{ Code() int }          // result codes of SQLite
	var postgres interface{ SQLState() string } // SQLSTATE of PostgreSQL, five characters
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &sqlite):
		return fmt.Sprintf("%T code %d", sqlite, sqlite.Code())
	case errors.As(err, &postgres):
		return fmt.Sprintf("%T state %s", postgres, strconv.Quote(postgres.SQLState()))
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF, fs.ErrNotExist} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return ""
}

// types lists the types down the chain, without the wrappers that say nothing.
func types(err error) []string {
	var names []string
	for ; err != nil; err = errors.Unwrap(err) {
		switch e := err.(type) { //nolint:errorlint // each link of the chain is looked at by itself
		case *messages.UnavailableError, *messages.PostponedError, *messages.PermanentError:
			continue
		default:
			if name := fmt.Sprintf("%T", e); name != "*fmt.wrapError" {
				names = append(names, name)
			}
		}
	}
	return names
}
