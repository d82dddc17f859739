package lanes

import (
	"context"
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// rereads is how many bodies are read again at once. At a millisecond each that is 16,000 messages/s.
const rereads = 16

type reread struct {
	lane *lane
	h    *held
	msg  *message.Message
	err  error
}

// bodyReads is the state of reading bodies again.
type bodyReads struct {
	calling int
	queue   []*lane // lanes with something to read, one read at a time in turn
	health  health
}

// wantRead puts l in line for a read if it has room for one more body. A lane that failed reads its head only: its
// followers would only be dropped again.
func (s *subscription) wantRead(l *lane) {
	if !l.readQueued && s.mayRead(l) {
		l.readQueued = true
		s.reads.queue = append(s.reads.queue, l)
	}
}

func (s *subscription) mayRead(l *lane) bool {
	ahead := s.cfg.BodiesPerKey
	if l.failures > 0 {
		ahead = 1
	}
	if l.bareCount == 0 || l.state == laneClosed || l.state == laneIdle {
		return false
	}
	return l.head.bare() || l.bodies+l.reads < ahead
}

func (s *subscription) readBodies(now time.Time) {
	for s.reads.calling < rereads && len(s.reads.queue) > 0 && s.stop.phase == running {
		l := s.reads.queue[0]
		if !s.mayRead(l) {
			s.unqueueRead(l)
			continue
		}
		if now.Before(l.readAfter) {
			s.unqueueRead(l)
			if l.state == laneReading && l.head.bare() { // a follower's reading failed while the head waited for its turn
				s.closeUntil(l, l.readAfter)
			}
			continue
		}
		h := l.nextBare()
		if !s.fits(h) {
			l.cursor = h
			return
		}
		h.reading = true
		l.bareCount--
		l.reads++
		s.memory.bodies++
		s.memory.bytes += int(h.size)
		s.reads.calling++
		go func() {
			ctx, cancel := context.WithTimeout(s.receiving, s.cfg.Lease/2)
			defer cancel()
			msg, err := s.rereader.Reread(ctx, h.receipt)
			s.reread <- reread{l, h, msg, err}
		}()
		s.unqueueRead(l)
		s.wantRead(l)
	}
}

func (s *subscription) unqueueRead(l *lane) {
	l.readQueued = false
	s.reads.queue[0] = nil
	if s.reads.queue = s.reads.queue[1:]; len(s.reads.queue) == 0 {
		s.reads.queue = nil
	}
}

// fits reports whether h's body has room next to what is held and what the fetch under way may bring.
func (s *subscription) fits(h *held) bool {
	return s.memory.bodies+s.intake.asked < s.cfg.MaxMessages &&
		s.memory.bytes+s.intake.asked*s.cfg.LargestMessage+int(h.size) <= s.cfg.MaxBytes
}

func (s *subscription) onReread(r reread, now time.Time) {
	l, h := r.lane, r.h
	s.reads.calling--
	l.reads--
	h.reading = false
	s.memory.bodies--
	s.memory.bytes -= int(h.size)
	if s.stop.phase != running {
		return
	}
	switch {
	case r.err == nil:
		h.msg = r.msg
		l.readFailures = 0
		s.addBody(l, h)
	case errors.Is(r.err, ErrGone):
		h.gone = true
	default:
		s.meters.rereadErrors.Inc()
		l.bareCount++
		l.cursor = l.head
		l.readFailures++
		l.readAfter = now.Add(s.cfg.Source.Delay(l.readFailures, s.cfg.Rand()))
	}
	if !errors.Is(r.err, ErrGone) {
		s.reads.health.report(s.log, r.err)
	}
	if l.state == laneReading && l.head == h {
		s.schedule(l, now)
	}
	s.wantRead(l)
}
