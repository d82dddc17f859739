package lanes

import (
	"errors"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// onFinished takes the outcome of one start.
func (s *subscription) onFinished(r *run, now time.Time) {
	r.cancel()
	l := r.lane
	if _, ok := s.runs[r]; !ok {
		return // handed back before it returned
	}
	delete(s.runs, r)
	if r.probe {
		s.outage.probing = false
	}
	l.state = laneIdle
	l.pace.finished(r.began, now.Sub(s.began))
	if r.acked {
		s.finishHead(l, now)
		s.resume()
	} else if s.stop.phase == running {
		s.onFailed(r, now)
	}
	if s.stop.phase != running {
		s.handBack(l)
		return
	}
	if l.state == laneIdle {
		s.schedule(l, now)
	}
}

// finishHead acknowledges the head of l. The next one may start before the source confirmed.
func (s *subscription) finishHead(l *lane, now time.Time) {
	h := l.pop()
	if h.msg != nil {
		s.dropBody(l, h)
	}
	l.failures, l.outages = 0, 0
	s.attempts.forget(h.id)
	s.ack(h, now)
}

// onFailed decides when a nacked head runs again.
func (s *subscription) onFailed(r *run, now time.Time) {
	err := r.failure()
	var unavailable *messages.UnavailableError
	var postponed *messages.PostponedError
	switch {
	case errors.As(err, &unavailable):
		s.onUnavailable(r, now)
	case errors.As(err, &postponed):
		s.meters.postponed.Inc()
		s.probeLater(r, now)
		s.again(r.lane, now.Add(s.postponement(r.lane, postponed.For)))
	default:
		s.meters.failed.Inc()
		s.probeLater(r, now)
		s.again(r.lane, now.Add(s.countFailure(r)))
	}
}

// postponement returns how long the head of l waits when its handler asked for that. Where it goes back for the time,
// it waits longer each time it came.
func (s *subscription) postponement(l *lane, asked time.Duration) time.Duration {
	if s.cfg.Order != Ordered {
		return max(asked, s.rarely(int(l.head.received)))
	}
	if asked <= 0 {
		return s.cfg.Retry.Initial // a handler that postpones by zero must not spin
	}
	return asked
}

// countFailure counts r and returns how long its message waits.
//
// Where it goes back, the broker's count of receives makes the delay grow as well, at half the pace: whoever was only
// handed back a few times before does not wait much longer for that, and a message whose failures are counted in many
// processes, or forgotten here, comes no more often than every 5 min after 22 receives. A hundred then take 78 x 300 s =
// 6.5 hours.
func (s *subscription) countFailure(r *run) time.Duration {
	l := r.lane
	n := r.attempt
	l.failures = n
	s.attempts.set(l.head.id, n)
	if s.cfg.Order != Ordered {
		n = max(n, int(l.head.received)/2)
	}
	return s.cfg.Retry.Delay(n, s.cfg.Rand())
}

// again lets a failed head wait until due. In an ordered lane it waits here, its followers behind it; in one without
// order it goes back alone; an invocation keeps nothing, and its followers must not run before it.
func (s *subscription) again(l *lane, due time.Time) {
	switch s.cfg.Order {
	case Unordered:
		s.giveBackHead(l, due)
	case Invocation:
		s.giveBackLane(l, due)
	default:
		s.closeUntil(l, due)
	}
}

// closeUntil makes l wait until due.
func (s *subscription) closeUntil(l *lane, due time.Time) {
	l.state = laneClosed
	l.due = due
	l.pace.last = 0
	s.closedBodies += l.bodies
	s.closed.add(l)
}

// openDue lets the lanes go on whose wait is over.
func (s *subscription) openDue(now time.Time) {
	for l := s.closed.open(now); l != nil; l = s.closed.open(now) {
		s.closedBodies -= l.bodies
		l.state = laneIdle
		s.schedule(l, now)
	}
}
