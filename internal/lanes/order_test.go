package lanes

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

func TestOrderPerKey(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		q.publish(keys(3_000, 200)...)
		w := start(t, q.engine(t, nil), j.watch(takes(5*time.Millisecond)))
		q.drained()
		w.stop(t)
		j.check(t)
		j.checkOnce(t)
	})
}

func TestOrderAfterNack(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		q.publish(keys(2_000, 20)...)
		w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
			// Every seventh message of a key fails twice; where a key has an order, its followers must wait.
			if nOf(msg)%7 == 3 && Attempt(msg.Context()) <= 2 {
				return errHandler
			}
			if n := Attempt(msg.Context()); nOf(msg)%7 == 4 && n != 1 {
				t.Errorf("%s: attempt %d: the failures of the message before were counted", msg.UUID, n)
			}
			return nil
		}))
		q.drained()
		w.stop(t)
		j.check(t)
		if got := j.startsOf("k0-3"); got != 3 {
			t.Errorf("k0-3 was started %d times, want 3", got)
		}
	})
}

// A process that dies leaves its leases behind; the next one takes the queue over, or waits for the leases to end, and
// goes on.
func TestOrderAfterCrash(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		q.publish(keys(2_000, 50)...)
		handle := takes(20 * time.Millisecond)
		watched := j.watch(handle)
		crashed := make(chan struct{})
		first := start(t, q.engine(t, nil), func(msg *message.Message) error {
			select {
			case <-crashed:
				return errHandler
			default:
				return watched(msg)
			}
		})
		time.Sleep(500 * time.Millisecond)
		close(crashed)
		q.kill()
		synctest.Wait()

		second := start(t, q.engine(t, nil), j.watch(handle))
		q.drained()
		second.stop(t)
		j.check(t)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = first.sub.Stop(ctx) // every call of the first fails: it reports what it could not settle
		<-first.closed
	})
}

// Two processes on one queue: a FIFO queue keeps a group's order over both of them, a standard queue loses nothing.
func TestTwoProcesses(t *testing.T) {
	forEach(t, []kind{fifo, standard, lambdaFIFO, lambdaStandard}, func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		q.publish(keys(2_000, 50)...)
		handle := func(msg *message.Message) error {
			time.Sleep(5 * time.Millisecond)
			if nOf(msg)%7 == 3 && Attempt(msg.Context()) <= 2 {
				return errHandler
			}
			return nil
		}
		first := start(t, q.engine(t, nil), j.watch(handle))
		second := start(t, q.engine(t, nil), j.watch(handle))
		q.drained()
		first.stop(t)
		second.stop(t)
		j.check(t)
		if q.expired > 0 || j.repeats > 0 {
			t.Errorf("%d leases ended, %d messages were handled twice", q.expired, j.repeats)
		}
	})
}
