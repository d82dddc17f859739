package lanes

import "time"

// A standard queue delivers a hot key's messages as fast as all the others. What its lane cannot take goes back, so
// that it neither fills the memory nor stops intake for the rest.
//
// When it comes again is a guess at when the lane will have room: one lane handles one message after the other, so each
// that goes back gets the next turn after the one before. A guess may be wrong (other processes take some, handlers
// become slow), so it is never longer than Retry.Max; and rarely, which grows with each receive, is the least, so that
// no backlog brings a message to the queue's last receive.

// pace is how fast a lane goes. Times are since the subscription began.
type pace struct {
	last time.Duration // when its last head finished; zero: it has waited since for something else
	each time.Duration // from one to the next, smoothed; zero: not known
	next time.Duration // the turn after all that went back
}

// finished takes note of the end of a head that began then.
func (p *pace) finished(began, now time.Duration) {
	sample := now - max(p.last, began)
	if p.last != 0 {
		sample = now - p.last // waiting for a slot counts
	}
	p.last = now
	if p.each == 0 {
		p.each = sample
		return
	}
	p.each += (sample - p.each) / 8
}

// turn gives away the next turn. ahead is what stands in the lane: what comes back when half of that is handled finds
// room, and the lane does not run dry.
func (p *pace) turn(ahead int, now, most time.Duration) time.Duration {
	p.next = min(max(p.next, now+p.each*time.Duration(ahead)/2)+p.each, now+most)
	return p.next - now
}

// crowded reports whether l has as much as a key may have. That is never more than a quarter of the memory, and beyond
// BodiesPerKey no more than a quarter of what is free, so that there is always room for others (the dynamic thresholds
// of Choudhury and Hahne: ten hot keys leave two sevenths), and no more than it can handle within half a lease: what
// would have to be extended costs less calls when it goes back.
func (s *subscription) crowded(l *lane) bool {
	if s.cfg.Order != Unordered || s.stop.phase != running {
		return false // at a stop everything goes back, and at once
	}
	bodies, bytes := s.cfg.MaxMessages, s.cfg.MaxBytes
	if l.bodies >= s.cfg.BodiesPerKey {
		bodies -= s.memory.bodies
		bytes -= s.memory.bytes
		if l.pace.each*time.Duration(l.bodies) >= s.cfg.Lease/2 {
			return true
		}
	}
	return l.bodies > 0 && (l.bodies >= bodies/4 || l.bytes >= bytes/4)
}

// passOver gives a delivery back whose lane is crowded.
func (s *subscription) passOver(l *lane, h *held, now time.Time) {
	s.meters.crowded.Inc()
	h.msg = nil
	turn := l.pace.turn(l.bodies, now.Sub(s.began), s.cfg.Retry.Max)
	s.delay(h, now.Add(max(s.rarely(int(h.received)), s.jittered(turn))))
	if s.outage.paused {
		// Intake looks for another lane to be the next probe. It must not turn over all of a hot key meanwhile.
		s.intake.retryAt = now.Add(s.cfg.Probe.Initial)
	}
}

func (s *subscription) jittered(d time.Duration) time.Duration {
	return Backoff{Initial: d, Max: d, Jitter: s.cfg.Retry.Jitter}.Delay(1, s.cfg.Rand())
}
