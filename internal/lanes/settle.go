package lanes

import (
	"context"
	"errors"
	"slices"
	"time"
)

// settleBatch bounds one Settle call. Whatever came while the previous call was under way goes with the next one:
// no delay when idle, large batches under load.
const settleBatch = 256

// ending is one lease to end.
type ending struct {
	h      *held
	action Action
	at     time.Duration // since the subscription began: when it was acked, or is to be visible again
}

// settler holds what has to be settled until the source confirmed it.
//
// Only acks linger. A queue that charges for calls takes acks and delays in different ones, so that neither waits for
// the other's company; delays are rare, and until they are settled their messages are hidden by what is left of a lease
// that nobody extends any more.
type settler struct {
	batch   int           // acks that make a call worth its price
	linger  time.Duration // how long fewer of them wait
	acks    []ending
	delays  []ending
	calling []ending // nil when no call is under way
	failed  []ending // come again at retryAt
	retryAt time.Time
	health  health

	returning int // delays that are not confirmed
}

func newSettler(cfg Config) settler {
	return settler{batch: max(1, cfg.SettleBatch), linger: cfg.SettleLinger, health: health{what: "settle"}}
}

func (s *settler) idle() bool { return s.waiting() == 0 }

func (s *settler) waiting() int { return len(s.acks) + len(s.delays) + len(s.calling) + len(s.failed) }

// retryFailed puts what failed in front again. What failed has lingered long enough to go at once.
func (s *settler) retryFailed(now time.Time) {
	if len(s.failed) == 0 || now.Before(s.retryAt) {
		return
	}
	var acks, delays []ending
	for _, e := range s.failed {
		if e.action == Ack {
			acks = append(acks, e)
		} else {
			delays = append(delays, e)
		}
	}
	s.failed = nil
	s.acks = append(acks, s.acks...)
	s.delays = append(delays, s.delays...)
}

// dueAcks returns how many acks go with a call at now, the oldest first.
func (s *settler) dueAcks(now time.Duration, stopping bool) int {
	n := len(s.acks)
	if n > 0 && !stopping && now-s.acks[0].at < s.linger {
		n -= n % s.batch
	}
	return min(n, settleBatch-settleBatch%s.batch)
}

// lingerEnds returns when the oldest ack has waited long enough, or zero when none waits.
func (s *settler) lingerEnds(began time.Time) time.Time {
	if len(s.acks) == 0 {
		return time.Time{}
	}
	return began.Add(s.acks[0].at + s.linger)
}

// take returns the next call's entries. A delay for which hold answers true waits.
func (s *settler) take(now time.Duration, stopping bool, hold func(*held) bool) []ending {
	batch := take(&s.acks, s.dueAcks(now, stopping))
	if hold == nil {
		return append(batch, take(&s.delays, min(len(s.delays), settleBatch-len(batch)))...)
	}
	var waiting []ending
	for _, e := range s.delays {
		if hold(e.h) || len(batch) == settleBatch {
			waiting = append(waiting, e)
		} else {
			batch = append(batch, e)
		}
	}
	s.delays = waiting
	return batch
}

// take cuts the first n off queue.
func take(queue *[]ending, n int) []ending {
	q := *queue
	if *queue = q[n:]; len(*queue) == 0 {
		*queue = nil
	}
	return slices.Clip(q[:n])
}

// ack queues the acknowledgement of h. Its lease goes on until the source confirmed.
func (s *subscription) ack(h *held, now time.Time) {
	s.settler.acks = append(s.settler.acks, ending{h, Ack, now.Sub(s.began)})
}

// delay queues the return of h to the queue, where it is visible again at due, or at once when that is past. Its lease
// ends here.
func (s *subscription) delay(h *held, due time.Time) {
	s.leases.release(h)
	s.settler.delays = append(s.settler.delays, ending{h, Delay, max(0, due.Sub(s.began))})
	s.settler.returning++
}

func (s *subscription) settle(now time.Time) {
	if s.settler.calling != nil {
		return
	}
	// An extension under way would hide again, for a whole lease, what is handed back.
	var hold func(*held) bool
	if s.leases.calling != nil {
		switch s.stop.phase {
		case running:
			hold = s.leases.isCalling
		case stopping, cancelled:
			return
		}
	}
	s.settler.retryFailed(now)
	batch := s.settler.take(now.Sub(s.began), s.stop.phase != running, hold)
	if len(batch) == 0 {
		return
	}
	s.settler.calling = batch
	settlements := make([]Settlement, len(batch))
	for i, e := range batch {
		settlements[i] = Settlement{Receipt: e.h.receipt, Action: e.action}
		if e.action == Delay {
			settlements[i].After = max(0, e.at-now.Sub(s.began))
		}
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
		if e.action == Delay {
			s.settler.returning--
		}
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
