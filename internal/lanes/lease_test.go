package lanes

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// F6: a handler that runs ten times its lease is never started twice while the lease is extended.
func TestSlowHandlerKeepsItsLease(t *testing.T) {
	faults := map[string]func() error{
		"extensions work":                   nil,
		"every second extension call fails": everyNth(2),
	}
	for name, extend := range faults {
		t.Run(name, func(t *testing.T) {
			forEach(t, allKinds(), func(t *testing.T, k kind) {
				q := newQueue(k)
				j := newJournal(q)
				q.faults.extend = extend
				q.publish("slow", "slow", "slow")
				w := start(t, q.engine(t, nil), j.watch(takes(10*testLease)))
				q.drained()
				w.stop(t)
				j.check(t)
				j.checkOnce(t)
			})
		})
	}
}

// F7: half of the extensions fail at random. A lease has eight chances, so that one in 256 is lost; what that brings is
// a redelivery, and never two of a key at once.
func TestHalfOfTheExtensionsFail(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		d := &dice{rng: rand.New(rand.NewPCG(7, 0))}
		q.faults.extend = d.fault(50)
		q.publish(keys(300, 100)...)
		w := start(t, q.engine(t, nil), j.watch(takes(4*testLease)))
		q.drained()
		time.Sleep(time.Hour) // until what came twice is handled too
		w.stop(t)
		j.check(t)
		t.Logf("%d leases ended, %d of 300 messages were handled twice", q.expired, j.repeats)
		if j.repeats > q.expired || q.expired > 60 {
			t.Errorf("%d leases ended, %d messages were handled twice", q.expired, j.repeats)
		}
	})
}

// recorded notes the receipts of each Extend and Settle call.
type recorded struct {
	Source
	mu       sync.Mutex
	extended [][]Receipt
	settled  [][]Receipt
}

func (r *recorded) Extend(ctx context.Context, batch []Receipt) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.extended = append(r.extended, batch)
	return r.Source.Extend(ctx, batch)
}

func (r *recorded) Settle(ctx context.Context, batch []Settlement) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	receipts := make([]Receipt, len(batch))
	for i, s := range batch {
		receipts[i] = s.Receipt
	}
	r.settled = append(r.settled, receipts)
	return r.Source.Settle(ctx, batch)
}

func (q *queue) record(r *recorded) opener {
	return func(ctx context.Context, name string) (Source, error) {
		s, err := q.open(ctx, name)
		r.Source = s
		return r, err
	}
}

// F9: three of ten entries of a call fail. Those come again, and no others.
func TestOnlyFailedEntriesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue(standard), &recorded{}
		q.faults.extend, q.faults.settle = firstThree(), firstThree()
		q.publish(keys(10, 10)...)
		w := start(t, newEngine(t, q.record(r), func(c *Config) {
			c.Order, c.SettleBatch, c.SettleLinger = Unordered, 10, time.Second
		}), takes(testLease))
		q.drained()
		w.stop(t)
		check := func(what string, calls [][]Receipt) {
			t.Helper()
			if len(calls) < 2 || len(calls[0]) != 10 || !slices.Equal(calls[1], calls[0][:3]) {
				t.Errorf("%s calls: %v, want one of ten entries and one of the first three of them", what, calls)
			}
		}
		check("extend", r.extended)
		check("settle", r.settled)
		if len(r.settled) != 2 || q.expired > 0 {
			t.Errorf("%d settle calls, %d leases ended, want 2 and 0", len(r.settled), q.expired)
		}
	})
}

// firstThree fails the first three entries.
func firstThree() func() error {
	n := 0
	return func() error {
		if n++; n <= 3 {
			return errFault
		}
		return nil
	}
}
