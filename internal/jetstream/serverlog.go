package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// serverLogger is nats-server's log in ours. Protocol traces would hold message text, so they go nowhere, and SetLogger
// is called with tracing off.
type serverLogger struct {
	log   *slog.Logger
	fatal chan string // the first fatal line: Start returns without an error then
}

func (l *serverLogger) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *serverLogger) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l *serverLogger) Debugf(string, ...any)           {}
func (l *serverLogger) Tracef(string, ...any)           {}

// Warnf tells of an outdated index of a stream as information: the index is written at a stop, so that every server that
// was killed reads its streams themselves instead, and loses nothing.
func (l *serverLogger) Warnf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	level := slog.LevelWarn
	if strings.HasSuffix(line, "errored: prior state file") || strings.Contains(line, "Stream state outdated,") ||
		strings.Contains(line, "Stream state detected prior state,") {
		level = slog.LevelInfo
	}
	l.log.Log(context.Background(), level, "nats-server", "line", line)
}

func (l *serverLogger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
	l.write(slog.LevelError, format, v)
}

func (l *serverLogger) failure() error {
	select {
	case line := <-l.fatal:
		return errors.New(line)
	default:
		return nil
	}
}

func (l *serverLogger) write(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "nats-server", "line", fmt.Sprintf(format, v...))
}
