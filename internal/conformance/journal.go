package conformance

import (
	"bytes"
	"log/slog"
	"sync"
)

// Journal is a log that a test may read while it is still written: some goroutines of Watermill write their last line
// after Close has returned.
type Journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Logger writes everything, debug lines too, into the journal.
func (j *Journal) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

// String is what was written so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// Reset forgets what was written.
func (j *Journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.b.Reset()
}
