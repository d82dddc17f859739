package lanes

import "time"

// outage is the pause of a whole subscription because something that every message needs is down.
type outage struct {
	paused  bool
	probing bool      // the probe is in flight
	probeAt time.Time // when the next one may start
	probes  int       // in a row
}

// onUnavailable takes note of an outage. What is here waits here for its end, with its lease extended. An invocation
// cannot wait: everything that does not run goes back, and the next batch finds out by itself.
func (s *subscription) onUnavailable(r *run, now time.Time) {
	s.meters.unavailable.Inc()
	if s.cfg.Order == Invocation {
		s.giveBackRest(now)
		return
	}
	s.pause(r.probe, now)
	l := r.lane
	l.outages++
	// Behind the others, so that the next probe is another lane's: what ails one message stops one lane. A lane
	// that is alone is due when the probe is.
	s.closeUntil(l, now.Add(s.cfg.Probe.Delay(l.outages, s.cfg.Rand())))
}

// giveBackRest returns everything that does not run.
func (s *subscription) giveBackRest(now time.Time) {
	s.withdraw()
	s.ready = readyLanes{}
	for _, l := range s.lanes {
		due := now.Add(s.rarely(int(l.head.received)))
		if l.state == laneRunning {
			s.giveBackFollowers(l, due)
			continue
		}
		s.giveBackLane(l, due)
		delete(s.lanes, l.key)
	}
}

// probeLater plans the next probe after one that says nothing about the outage: another lane's turn, without growth.
func (s *subscription) probeLater(r *run, now time.Time) {
	if r.probe && s.outage.paused {
		s.outage.probeAt = now.Add(s.cfg.Probe.Delay(max(1, s.outage.probes), s.cfg.Rand()))
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
