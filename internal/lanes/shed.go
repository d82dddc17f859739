package lanes

import "time"

// shed makes room once five eighths of the memory are in use, until half is free, so that lanes that wait never keep the
// others from being received. (Intake next to a Rereader stops at three quarters, which must not be reached because of
// closed lanes.) It begins at the end of the heap, where those are that wait longest. Without a Rereader whole lanes go
// back, if their queue keeps the order of what goes back; but not in an outage, in which nothing is received.
func (s *subscription) shed(now time.Time) {
	if s.closedBodies == 0 || !s.fullTo(5, 8) {
		return
	}
	switch {
	case s.rereader != nil:
		s.shedBodies()
	case s.cfg.KeysLock && !s.outage.paused:
		s.shedLanes(now)
	}
}

// fullTo reports whether more than so many parts of the memory are in use.
func (s *subscription) fullTo(parts, of int) bool {
	return s.memory.bodies > s.cfg.MaxMessages/of*parts || s.memory.bytes > s.cfg.MaxBytes/of*parts
}

// shedBodies drops bodies to their receipts.
func (s *subscription) shedBodies() {
	for i := len(s.closed) - 1; i >= 0 && s.closedBodies > 0 && s.fullTo(1, 2); i-- {
		l := s.closed[i]
		for h := l.head; h != nil && l.bodies > 0; h = h.next {
			if h.msg != nil {
				s.dropBody(l, h)
				l.bareCount++
			}
		}
		l.cursor = l.head
	}
}

// shedLanes gives lanes back until they are due, and longer each time that they came.
func (s *subscription) shedLanes(now time.Time) {
	for len(s.closed) > 0 && s.fullTo(1, 2) {
		l := s.closed.dropLast()
		s.closedBodies -= l.bodies
		l.state = laneIdle
		due := now.Add(s.rarely(int(l.head.received)))
		if l.due.After(due) {
			due = l.due
		}
		s.giveBackLane(l, due)
		delete(s.lanes, l.key)
	}
}
