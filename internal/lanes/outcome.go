package lanes

import (
	"errors"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// outage is the pause of a whole subscription because something that every message needs is down.
type outage struct {
	paused  bool
	probing bool      // the probe is in flight
	probeAt time.Time // when the next one may start
	probes  int       // in a row
}

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
	if r.acked {
		s.finishHead(l)
		s.resume()
	} else if s.stop.phase == running {
		s.reopenLater(r, now)
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
func (s *subscription) finishHead(l *lane) {
	h := l.pop()
	if h.msg != nil {
		s.dropBody(l, h)
	}
	l.failures, l.outages = 0, 0
	s.ack(h)
}

// reopenLater decides when a nacked head runs again. This is the rule of ordered sources: the head stays here and
// its followers stay behind it. A source without order would settle the head with a Delay instead.
func (s *subscription) reopenLater(r *run, now time.Time) {
	l, err := r.lane, r.failure()
	var unavailable *messages.UnavailableError
	var postponed *messages.PostponedError
	switch {
	case errors.As(err, &unavailable):
		s.meters.unavailable.Inc()
		s.pause(r.probe, now)
		l.outages++
		// Behind the others, so that the next probe is another lane's: what ails one message stops one lane. A lane
		// that is alone is due when the probe is.
		s.closeUntil(l, now.Add(s.cfg.Probe.Delay(l.outages, s.cfg.Rand())))
	case errors.As(err, &postponed):
		s.meters.postponed.Inc()
		s.again(r, now)
		wait := postponed.For
		if wait <= 0 {
			wait = s.cfg.Retry.Initial // a handler that postpones by zero must not spin
		}
		s.closeUntil(l, now.Add(wait))
	default:
		s.meters.failed.Inc()
		s.again(r, now)
		l.failures++
		s.closeUntil(l, now.Add(s.cfg.Retry.Delay(l.failures, s.cfg.Rand())))
	}
}

// again plans the next probe after one that says nothing about the outage: another lane's turn, without growth.
func (s *subscription) again(r *run, now time.Time) {
	if r.probe && s.outage.paused {
		s.outage.probeAt = now.Add(s.cfg.Probe.Delay(max(1, s.outage.probes), s.cfg.Rand()))
	}
}

// closeUntil makes l wait until due.
func (s *subscription) closeUntil(l *lane, due time.Time) {
	l.state = laneClosed
	l.due = due
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

// pause stops intake and starts until a probe succeeds. Messages that were running when the outage began report it as
// well; only the first of them and failed probes make the delay grow.
func (s *subscription) pause(probe bool, now time.Time) {
	if s.outage.paused && !probe {
		return
	}
	if !s.outage.paused {
		s.outage.paused = true
		s.log.Warn("intake paused: unavailable")
		s.withdraw()
	}
	s.outage.probes++
	s.outage.probeAt = now.Add(s.cfg.Probe.Delay(s.outage.probes, s.cfg.Rand()))
}

func (s *subscription) resume() {
	if s.outage.paused {
		s.log.Info("intake resumed", "probes", s.outage.probes)
		s.outage = outage{}
	}
}
