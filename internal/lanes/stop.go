package lanes

import (
	"fmt"
	"time"
)

type phase uint8

const (
	running   phase = iota
	stopping        // intake is over, handlers in flight may finish
	cancelled       // the bound is over, contexts of handlers have ended
	flushing        // what still runs was handed back, the last settles go out
)

// stop is the end of a subscription, step by step.
type stop struct {
	phase      phase
	began      time.Time
	at         time.Time // when the next phase begins; zero: not by time
	handedBack int
	abandoned  int // still running when they were handed back
}

// askStop and askHurry may be called from any goroutine, any number of times.
func (s *subscription) askStop()  { s.stopOnce.Do(func() { close(s.stopAsked) }) }
func (s *subscription) askHurry() { s.hurryOnce.Do(func() { close(s.hurryAsked) }) }

// beginStop ends intake and hands back every lane that does not run. Where a key has an order, followers of a running
// head go back once it has finished: handed back earlier, another process could let them overtake it. Handlers get
// until bound, or until askHurry when it is zero.
func (s *subscription) beginStop(now, bound time.Time) {
	if s.stop.phase != running {
		return
	}
	s.stop = stop{phase: stopping, began: now, at: bound}
	s.log.Info("stop: intake ends", "in_flight", len(s.runs), "held", s.leases.count)
	s.endReceiving()
	s.withdraw()
	s.ready, s.closed, s.reads.queue = readyLanes{}, nil, nil
	s.handBackIdle()
	s.log.Debug("stop: handed back what was not started", "messages", s.stop.handedBack)
}

// handBackIdle hands back every lane that does not run. Where a key has no order, what stands behind a running head has
// nothing to wait for either.
func (s *subscription) handBackIdle() {
	for _, l := range s.lanes {
		switch {
		case l.state != laneRunning:
			s.handBack(l)
		case s.cfg.Order == Unordered:
			s.handBackAll(l, l.cut())
		}
	}
}

// handBack returns everything of l to the queue at once, the oldest first.
func (s *subscription) handBack(l *lane) {
	first := l.head
	l.head, l.tail, l.cursor, l.bareCount = nil, nil, nil, 0
	s.handBackAll(l, first)
	delete(s.lanes, l.key)
}

// handBackAll returns first and what stands behind it, all of them cut off from l.
func (s *subscription) handBackAll(l *lane, first *held) {
	for h := first; h != nil; {
		next := h.next
		s.giveBack(l, h, time.Time{})
		s.stop.handedBack++
		h = next
	}
}

// advanceStop moves to the next phase when its time has come.
func (s *subscription) advanceStop(now time.Time) {
	if s.stop.phase == running || s.stop.at.IsZero() || now.Before(s.stop.at) {
		return
	}
	switch s.stop.phase {
	case stopping:
		s.hurry(now)
	case cancelled:
		s.abandon(now)
	default:
		s.stop.at = time.Time{}
		s.endCalls()
	}
}

// hurry is the end of the bound: handlers are told to return.
func (s *subscription) hurry(now time.Time) {
	if s.stop.phase != stopping {
		return
	}
	s.stop.phase = cancelled
	s.stop.at = now.Add(s.cfg.SettleTimeout / 4)
	if len(s.runs) > 0 {
		s.log.Warn("stop: bound is over, cancelling handlers", "in_flight", len(s.runs))
	}
	s.cancelHandlers()
}

// abandon hands back what still runs. Another process may handle it while the handler here ignores its context;
// left leased, its followers would overtake it.
func (s *subscription) abandon(now time.Time) {
	s.stop.phase = flushing
	s.stop.at = now.Add(s.cfg.SettleTimeout * 3 / 4)
	s.stop.abandoned = len(s.runs)
	for r := range s.runs {
		s.handBack(r.lane)
	}
	clear(s.runs)
	close(s.abandoned)
}

// stopped reports whether nothing is left to do or to wait for.
func (s *subscription) stopped() bool {
	if s.stop.phase == running {
		return false
	}
	if s.stop.phase == flushing && s.stop.at.IsZero() {
		return true
	}
	return len(s.runs) == 0 && s.intake.asked == 0 && s.leases.calling == nil &&
		s.reads.calling == 0 && s.settler.idle()
}

// endStop releases everything and says how it went.
func (s *subscription) endStop(now time.Time) {
	s.endReceiving()
	s.cancelHandlers()
	s.endCalls()
	unsettled := s.settler.waiting()
	s.memory = budget{}
	s.leases.count, s.settler.returning, s.outage.paused = 0, 0, false
	clear(s.runs)
	s.measure()
	close(s.out)
	if s.stop.abandoned > 0 || unsettled > 0 {
		s.err = fmt.Errorf("stop %s: %d handlers did not return, %d messages were not settled",
			s.queue, s.stop.abandoned, unsettled)
	}
	s.log.Info("stop: done", "took", now.Sub(s.stop.began), "handed_back", s.stop.handedBack,
		"abandoned", s.stop.abandoned, "unsettled", unsettled)
}
