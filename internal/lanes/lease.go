package lanes

import (
	"context"
	"errors"
	"time"
)

// extendBatch bounds one Extend call, so that a failed one costs little and an answer comes soon.
const extendBatch = 1024

// leaseList is a circular list of what is held; an entry may be taken out without knowing in which list it is.
type leaseList struct{ root held }

func newLeaseList() *leaseList {
	l := &leaseList{}
	l.root.older, l.root.newer = &l.root, &l.root
	return l
}

func (l *leaseList) first() *held {
	if l.root.newer == &l.root {
		return nil
	}
	return l.root.newer
}

func (l *leaseList) push(h *held) {
	h.older, h.newer = l.root.older, &l.root
	h.older.newer, h.newer.older = h, h
}

func unlink(h *held) {
	if h.newer == nil {
		return
	}
	h.older.newer, h.newer.older = h.newer, h.older
	h.older, h.newer = nil, nil
}

// leases knows what is held and when it has to be extended.
//
// A turn comes every sixteenth of a lease and takes what is half through its lease, or will be before the next
// turn. What fails comes again with the next turn: seven more chances before the lease is over, so that even when
// every second call fails, one lease in 256 is lost.
type leases struct {
	lease, turn time.Duration
	started     time.Time
	next        time.Time // next turn
	renewed     *leaseList
	due         *leaseList // this turn's work
	late        *leaseList // failed this turn
	count       int
	calling     []*held       // nil when no call is under way
	called      time.Duration // when it began
	health      health
}

func newLeases(lease time.Duration, now time.Time) leases {
	return leases{
		lease: lease, turn: lease / 16, started: now, next: now.Add(lease / 16),
		renewed: newLeaseList(), due: newLeaseList(), late: newLeaseList(),
		health: health{what: "extend leases"},
	}
}

func (l *leases) hold(h *held, now time.Time) {
	h.renewed = now.Sub(l.started)
	l.renewed.push(h)
	l.count++
}

// release ends the extension of h.
func (l *leases) release(h *held) {
	if !h.ended {
		unlink(h)
		h.ended = true
		l.count--
	}
}

// take begins a turn when it is time, and returns what the next call has to extend.
func (l *leases) take(now time.Time) []*held {
	if !now.Before(l.next) {
		l.next = now.Add(l.turn)
		for h := l.late.first(); h != nil; h = l.late.first() {
			unlink(h)
			l.due.push(h)
		}
		half := now.Sub(l.started) - l.lease/2 + l.turn
		for h := l.renewed.first(); h != nil && h.renewed <= half; h = l.renewed.first() {
			unlink(h)
			l.due.push(h)
		}
	}
	var batch []*held
	l.called = now.Sub(l.started)
	for h := l.due.first(); h != nil && len(batch) < extendBatch; h = l.due.first() {
		unlink(h)
		h.renewed = l.called // the lease counts from before the call
		batch = append(batch, h)
	}
	return batch
}

// isCalling reports whether the call under way extends h.
func (l *leases) isCalling(h *held) bool { return l.calling != nil && h.renewed == l.called }

// answered sorts a finished call's entries back. It returns the failures and one of their errors.
func (l *leases) answered(errs []error) (failed int, err error) {
	batch := l.calling
	l.calling = nil
	for i, h := range batch {
		if h.ended {
			continue
		}
		if e := entryError(errs, i, len(batch)); e != nil && !errors.Is(e, ErrGone) {
			failed, err = failed+1, e
			l.late.push(h)
			continue
		}
		l.renewed.push(h)
	}
	return failed, err
}

func (s *subscription) extend(now time.Time) {
	if s.leases.calling != nil || s.leases.count == 0 {
		return
	}
	batch := s.leases.take(now)
	if len(batch) == 0 {
		return
	}
	s.leases.calling = batch
	receipts := make([]Receipt, len(batch))
	for i, h := range batch {
		receipts[i] = h.receipt
	}
	go func() {
		// A call that hangs must leave time for another one.
		ctx, cancel := context.WithTimeout(s.calls, s.leases.lease/8)
		defer cancel()
		s.extended <- s.source.Extend(ctx, receipts)
	}()
}

func (s *subscription) onExtended(errs []error) {
	failed, err := s.leases.answered(errs)
	s.meters.extendErrors.Add(float64(failed))
	s.leases.health.report(s.log, err)
}

// entryError returns the error of entry i of n. An answer of the wrong length fails every entry: a lost lease or
// ack is worse than a second call.
func entryError(errs []error, i, n int) error {
	switch len(errs) {
	case 0:
		return nil
	case n:
		return errs[i]
	default:
		return errors.Join(append([]error{errAnswer}, errs...)...)
	}
}

var errAnswer = errors.New("the source answered with the wrong number of errors")
