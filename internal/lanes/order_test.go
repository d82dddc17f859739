package lanes

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

func TestOrderPerKey(t *testing.T) {
	for name, open := range map[string]func(*queue) opener{
		"rereads": func(q *queue) opener { return q.open },
		"plain":   func(q *queue) opener { return q.openPlain },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, j := newQueue(testLease), newJournal()
				q.publish(keys(10_000, 200)...)
				w := start(t, newEngine(t, open(q), nil), j.watch(q, takes(5*time.Millisecond)))
				q.drained()
				w.stop(t)
				j.check(t, q)
				if j.repeats != 0 {
					t.Errorf("%d messages were handled twice", j.repeats)
				}
			})
		})
	}
}

func TestOrderAfterNack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		q.publish(keys(2_000, 20)...)
		w := start(t, newEngine(t, q.open, nil), j.watch(q, func(msg *message.Message) error {
			// Every seventh message of a key fails twice; its followers must wait.
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
		j.check(t, q)
		if got := j.startsOf("k0-3"); got != 3 {
			t.Errorf("k0-3 was started %d times, want 3", got)
		}
	})
}

// A process that dies leaves its leases behind; the next one takes the queue over and goes on in order.
func TestOrderAfterCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		q.publish(keys(4_000, 50)...)
		handle := takes(20 * time.Millisecond)
		watched := j.watch(q, handle)
		crashed := make(chan struct{})
		first := start(t, newEngine(t, q.open, nil), func(msg *message.Message) error {
			select {
			case <-crashed:
				return errHandler
			default:
				return watched(msg)
			}
		})
		time.Sleep(500 * time.Millisecond)
		close(crashed)
		synctest.Wait()

		second := start(t, newEngine(t, q.open, nil), j.watch(q, handle))
		q.drained()
		second.stop(t)
		j.check(t, q)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = first.sub.Stop(ctx) // every call of the first fails: it reports what it could not settle
		<-first.closed
	})
}
