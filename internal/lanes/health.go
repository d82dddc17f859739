package lanes

import "log/slog"

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
