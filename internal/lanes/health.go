package lanes

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// deafAfter is how many fetches in a row must fail before a queue counts as one that cannot be received from: a second and
// a half with the default delays, when it refuses at once. A connection that is lost once is no news.
const deafAfter = 5

// Health names every queue that cannot be received from: it was deleted, or the right to read it was. It asks nobody.
func (s *Subscriber) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var deaf []error
	for sub := range s.active {
		if err := sub.deaf.Load(); err != nil {
			deaf = append(deaf, fmt.Errorf("receive from queue %s: %w", sub.queue, *err))
		}
	}
	slices.SortFunc(deaf, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(deaf...)
}

// health logs the changes of one kind of call between working and failing, and not each failure.
type health struct {
	what     string
	failures int // in a row
}

// report counts a call's outcome and returns the failures in a row.
func (h *health) report(log *slog.Logger, err error) int {
	switch {
	case err != nil:
		if h.failures++; h.failures == 1 {
			log.Warn("source fails, trying again", "call", h.what, "error", err)
		}
	case h.failures > 0:
		log.Info("source works again", "call", h.what, "failures", h.failures)
		h.failures = 0
	}
	return h.failures
}
