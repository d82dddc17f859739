package router

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/ThreeDotsLabs/watermill"
)

// newLogger lets Watermill speak through slog, without the texts of errors and without payloads, which may hold what
// somebody wrote. Watermill's information is debugging to us.
func newLogger(log *slog.Logger) watermill.LoggerAdapter { return quiet{log: log} }

type quiet struct{ log *slog.Logger }

// kept lists the fields of Watermill that hold ids and names only, each with what we call it.
func kept() [4][2]string {
	return [4][2]string{{"message_uuid", "event_id"}, {"handler_name", "worker"}, {"topic", "topic"}, {"count", "count"}}
}

// Error implements watermill.LoggerAdapter.
func (q quiet) Error(msg string, err error, fields watermill.LogFields) {
	switch msg {
	case "Handler returned error": // already logged by the dead-letter middleware
		return
	case "All handlers stopped, closing router": // what a stop asks for; a queue that closes unasked is reported by watch
		q.Debug(msg, fields)
		return
	}
	msg, _, _ = strings.Cut(msg, " Stack: ")
	q.log.Warn("watermill failed", append(attrs(fields), "says", msg, "error_type", fmt.Sprintf("%T", err))...)
}

// Info implements watermill.LoggerAdapter.
func (q quiet) Info(msg string, fields watermill.LogFields) { q.Debug(msg, fields) }

// Debug implements watermill.LoggerAdapter.
func (q quiet) Debug(msg string, fields watermill.LogFields) {
	q.log.Debug("watermill", append(attrs(fields), "says", msg)...)
}

// Trace implements watermill.LoggerAdapter. Watermill calls it twice per message, so it is dropped.
func (q quiet) Trace(string, watermill.LogFields) {}

// With implements watermill.LoggerAdapter.
func (q quiet) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return quiet{log: q.log.With(attrs(fields)...)}
}

func attrs(fields watermill.LogFields) []any {
	var out []any
	for _, name := range kept() {
		if v, ok := fields[name[0]]; ok {
			out = append(out, name[1], v)
		}
	}
	return out
}
