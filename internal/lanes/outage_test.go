package lanes

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// TestOneMessagesOutageStopsNobody: a message that calls its own trouble an outage, such as a file with a bad sector,
// is not the only probe: others show that the worker works.
func TestOneMessagesOutageStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		w := start(t, newEngine(t, q.open, nil), j.watch(q, func(msg *message.Message) error {
			if keyOf(msg) == "bad" {
				return messages.Unavailable(errors.New("bad sector"))
			}
			return nil
		}))
		q.publish("bad")
		q.publish(keys(1_000, 50)...)
		time.Sleep(time.Minute)
		if left := q.left(); left > 1 {
			t.Errorf("%d messages left after a minute, want the bad one only", left)
		}
		_ = w.sub.Close()
	})
}

// TestAloneItStopsNobodyEither: the same when the queue is quiet, so that nothing else was in memory when it began.
func TestAloneItStopsNobodyEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		w := start(t, newEngine(t, q.open, func(c *Config) { c.MaxMessages, c.LargestMessage = 4, 1000 }), j.watch(q, func(msg *message.Message) error {
			if keyOf(msg) == "bad" {
				return messages.Unavailable(errors.New("bad sector"))
			}
			return nil
		}))
		q.publish("bad", "bad", "bad")
		time.Sleep(10 * time.Minute)
		q.publish(keys(1_000, 50)...)
		time.Sleep(2 * time.Minute)
		if left := q.left(); left > 3 {
			t.Errorf("%d messages left, want the bad lane's only", left)
		}
		_ = w.sub.Close()
	})
}
