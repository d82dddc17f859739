// Package settings holds the flags and environment variables that commands share, and opens what they name: the store, the
// blob store and the bus. It and package main are the only ones that name a driver.
package settings

import (
	"io"
	"log/slog"
)

// Streams are where a command writes.
type Streams struct {
	Out     io.Writer
	Err     io.Writer
	Version string
}

// Quiet is the logger of commands that end by themselves: warnings only.
func Quiet(std Streams) *slog.Logger {
	return slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
