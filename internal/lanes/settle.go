package lanes

import (
	"context"
	"errors"
	"time"
)

// settleBatch bounds one Settle call. Whatever came while the previous call was under way goes with the next one:
// no delay when idle, large batches under load.
const settleBatch = 256

// ending is one lease to end.
type ending struct {
	h      *held
	action Action
}

// settler holds what has to be settled until the source confirmed it.
type settler struct {
	pending []ending
	calling []ending // nil when no call is under way
	failed  []ending // come again at retryAt
	retryAt time.Time
	health  health
}

func (s *settler) idle() bool { return len(s.pending)+len(s.calling)+len(s.failed) == 0 }

func (s *settler) take(now time.Time) []ending {
	if len(s.failed) > 0 && !now.Before(s.retryAt) {
		s.pending = append(s.failed, s.pending...)
		s.failed = nil
	}
	n := min(len(s.pending), settleBatch)
	batch := s.pending[:n:n]
	if s.pending = s.pending[n:]; len(s.pending) == 0 {
		s.pending = nil
	}
	return batch
}

// ack queues the acknowledgement of h. Its lease goes on until the source confirmed.
func (s *subscription) ack(h *held) {
	s.settler.pending = append(s.settler.pending, ending{h, Ack})
}

func (s *subscription) settle(now time.Time) {
	if s.settler.calling != nil {
		return
	}
	if (s.stop.phase == stopping || s.stop.phase == cancelled) && s.leases.calling != nil {
		return // an extension under way would hide again what is handed back
	}
	batch := s.settler.take(now)
	if len(batch) == 0 {
		return
	}
	s.settler.calling = batch
	settlements := make([]Settlement, len(batch))
	for i, e := range batch {
		settlements[i] = Settlement{Receipt: e.h.receipt, Action: e.action}
	}
	go func() {
		ctx, cancel := context.WithTimeout(s.calls, s.cfg.Lease/2)
		defer cancel()
		s.settled <- s.source.Settle(ctx, settlements)
	}()
}

func (s *subscription) onSettled(errs []error, now time.Time) {
	batch := s.settler.calling
	s.settler.calling = nil
	failed := 0
	var last error
	for i, e := range batch {
		if err := entryError(errs, i, len(batch)); err != nil && !errors.Is(err, ErrGone) {
			failed, last = failed+1, err
			s.settler.failed = append(s.settler.failed, e)
			continue
		}
		s.leases.release(e.h)
	}
	s.meters.settleErrors.Add(float64(failed))
	inARow := s.settler.health.report(s.log, last)
	if failed > 0 {
		if failed < len(batch) {
			inARow = 1 // the source answers; only these entries were unlucky
		}
		s.settler.retryAt = now.Add(s.cfg.Source.Delay(inARow, s.cfg.Rand()))
	}
}
