package lanes

import "time"

// What goes back to a queue is received again, and a queue like SQS counts that: after maxReceiveCount receives, a
// hundred with us, it moves the message to the dead letters by itself and without a reason. The engine's own count of
// attempts ends long before. These delays keep everything else from getting there.

// rarely is the delay of what has done nothing wrong and may have to wait for days. It doubles from Retry.Initial to
// Retry.Max with each of the first ten receives: 500 ms, 1 s, ..., 256 s are 511 s. From the eleventh on it is 2, 3, 4,
// ... times 5 min: a hundred receives take 511 s + 300 s x (2 + 3 + ... + 91) = 14.5 days, and SQS keeps a message for 14
// at most. The longest of them, 91 x 5 min with the jitter on top, is 9.9 hours; SQS allows 12. As a part of what the
// message has waited already the delay shrinks: 25 min after an hour, 2 hours after a day.
func (s *subscription) rarely(received int) time.Duration {
	return s.cfg.Retry.Delay(received, s.cfg.Rand()) * time.Duration(min(max(1, received-9), 91))
}

// giveBack returns h, which is no longer in l, to the queue until due.
func (s *subscription) giveBack(l *lane, h *held, due time.Time) {
	h.next = nil
	if h.msg != nil {
		s.dropBody(l, h)
	}
	s.delay(h, due)
}

// giveBackHead returns the head of l only. Its followers pass.
func (s *subscription) giveBackHead(l *lane, due time.Time) {
	h := l.pop()
	l.failures, l.outages = 0, 0
	s.giveBack(l, h, due)
}

// giveBackLane returns all of l, to be visible at the same time. The head comes last: a queue that locks a key while
// one of its messages is hidden (SQS FIFO) must not let a follower be the one that opens it.
func (s *subscription) giveBackLane(l *lane, due time.Time) {
	s.giveBackFollowers(l, due)
	s.giveBackHead(l, due)
}

// giveBackFollowers returns what stands behind the head of l, the newest first.
func (s *subscription) giveBackFollowers(l *lane, due time.Time) {
	var newest *held
	for h := l.cut(); h != nil; {
		next := h.next
		h.next, newest, h = newest, h, next
	}
	for h := newest; h != nil; {
		next := h.next
		s.giveBack(l, h, due)
		h = next
	}
}

// dropEnded returns the deliveries at the head of l whose invocation has ended, and reports whether others are left.
func (s *subscription) dropEnded(l *lane, now time.Time) bool {
	for s.cfg.Order == Invocation && l.head != nil && l.head.msg.Context().Err() != nil {
		s.giveBackHead(l, now)
	}
	if l.head == nil {
		delete(s.lanes, l.key)
	}
	return l.head != nil
}
