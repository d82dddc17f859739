package lanes

import (
	"math"
	"time"
)

// fetchBatch bounds one Fetch call, so that the first of many messages starts soon.
const fetchBatch = 256

// budget is what the bodies in memory take, those being read again included.
type budget struct{ bodies, bytes int }

type fetched struct {
	deliveries []Delivery
	err        error
}

// intake is the state of receiving.
type intake struct {
	asked   int       // limit of the call under way, 0 when there is none
	retryAt time.Time // no call before
	health  health
}

// room returns how many messages may be asked for. Each reserves LargestMessage bytes, so that what comes fits. A
// source that can reread leaves a quarter of the budget free for that: a call may wait for ever on an empty queue,
// and lanes whose bodies were dropped have to go on meanwhile.
func (s *subscription) room() int {
	bodies, bytes := s.cfg.MaxMessages, s.cfg.MaxBytes
	if s.rereader != nil {
		bodies, bytes = bodies-bodies/4, bytes-bytes/4
	}
	return max(0, min(
		fetchBatch,
		bodies-s.memory.bodies,
		(bytes-s.memory.bytes)/s.cfg.LargestMessage,
		s.cfg.MaxReceipts-s.leases.count-s.settler.returning,
	))
}

func (s *subscription) fetch(now time.Time) {
	if s.intake.asked > 0 || s.stop.phase != running || now.Before(s.intake.retryAt) {
		return
	}
	limit := s.room()
	if s.outage.paused {
		// The only lane here failed as the probe too, or nothing is left here: one message of another, to be the next.
		if s.ready.first != nil || s.outage.probes < 2 && len(s.lanes) > 0 {
			return
		}
		limit = min(limit, 1)
	}
	if limit == 0 {
		return
	}
	s.intake.asked = limit
	go func() {
		deliveries, err := s.source.Fetch(s.receiving, limit)
		s.fetched <- fetched{deliveries, err}
	}()
}

func (s *subscription) onFetched(f fetched, now time.Time) {
	s.intake.asked = 0
	for _, d := range f.deliveries {
		s.receive(d, now)
	}
	if s.stop.phase != running {
		s.handBackIdle()
		return
	}
	if f.err != nil {
		s.meters.fetchErrors.Inc()
	}
	failures := s.intake.health.report(s.log, f.err)
	switch {
	case failures == 0:
		s.deaf.Store(nil)
		return
	case failures >= deafAfter:
		s.deaf.Store(&f.err)
	}
	s.intake.retryAt = now.Add(s.cfg.Source.Delay(failures, s.cfg.Rand()))
}

// receive puts one delivery at the end of its lane.
func (s *subscription) receive(d Delivery, now time.Time) {
	l := s.lanes[d.Key]
	if l == nil {
		l = &lane{key: d.Key}
		s.lanes[d.Key] = l
	}
	h := &held{
		receipt: d.Receipt, msg: d.Message, id: d.ID,
		size: int32(d.Size), received: uint8(min(d.Received, math.MaxUint8)),
	}
	s.leases.hold(h, now)
	if s.crowded(l) {
		s.passOver(l, h, now)
		return
	}
	l.push(h)
	if s.rereader != nil && (l.bareCount > 0 || l.bodies+l.reads >= s.cfg.BodiesPerKey) {
		h.msg = nil
		l.bareCount++
		if l.cursor == nil {
			l.cursor = h
		}
		s.wantRead(l)
	} else {
		s.addBody(l, h)
	}
	if l.state == laneIdle && s.stop.phase == running {
		s.schedule(l, now)
	}
}

// addBody and dropBody account for a body in memory.
func (s *subscription) addBody(l *lane, h *held) {
	l.bodies++
	l.bytes += int(h.size)
	s.memory.bodies++
	s.memory.bytes += int(h.size)
	if l.state == laneClosed {
		s.closedBodies++
	}
}

func (s *subscription) dropBody(l *lane, h *held) {
	h.msg = nil
	l.bodies--
	l.bytes -= int(h.size)
	s.memory.bodies--
	s.memory.bytes -= int(h.size)
	if l.state == laneClosed {
		s.closedBodies--
	}
}
