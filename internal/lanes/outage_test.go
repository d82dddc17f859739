package lanes

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// Messages that are here wait here for the end of an outage, with their leases extended; one at a time is tried.
func TestUnavailablePausesIntake(t *testing.T) {
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		down := true
		var mu sync.Mutex
		var probes []time.Time
		var attempts atomic.Int64
		w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
			mu.Lock()
			defer mu.Unlock()
			attempts.Store(max(attempts.Load(), int64(Attempt(msg.Context()))))
			if down {
				probes = append(probes, time.Now())
				return fmt.Errorf("write history: %w", messages.Unavailable(errors.New("disk full")))
			}
			return nil
		}))
		q.publish("first")
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		q.publish(keys(500, 50)...)
		time.Sleep(5 * time.Minute)

		mu.Lock()
		// 1, 2, 4, 8, 16, 30, 30, ... seconds: 14 probes in 5 minutes, one at a time.
		if len(probes) < 10 || len(probes) > 16 {
			t.Errorf("%d starts in five minutes of outage, want about 14", len(probes))
		}
		for i := 2; i < len(probes); i++ {
			if gap, before := probes[i].Sub(probes[i-1]), probes[i-1].Sub(probes[i-2]); gap < before || gap > 31*time.Second {
				t.Errorf("probe %d came %s after the one before, which took %s", i, gap, before)
			}
		}
		down = false
		mu.Unlock()
		q.drained()
		if took := time.Since(began); took > 5*time.Minute+31*time.Second {
			t.Errorf("drained after %s, want within one probe of the outage's end", took)
		}
		w.stop(t)
		j.check(t)
		if attempts.Load() != 1 {
			t.Errorf("an outage was counted: attempt %d", attempts.Load())
		}
		if q.expired > 0 || len(q.returned()) > 0 {
			t.Errorf("%d leases ended and %d messages were handed back during the outage", q.expired, len(q.returned()))
		}
	})
}

// TestOneMessagesOutageStopsNobody: a message that calls its own trouble an outage, such as a file with a bad sector,
// is not the only probe: others show that the worker works.
func TestOneMessagesOutageStopsNobody(t *testing.T) {
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
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
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		w := start(t, q.engine(t, func(c *Config) { c.MaxMessages, c.LargestMessage = 4, 1000 }), j.watch(func(msg *message.Message) error {
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

// TestNobodyLeftToProbe: what began the outage goes back, or is gone, before it says that the outage is over. Another
// message is received to find out.
func TestNobodyLeftToProbe(t *testing.T) {
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		q.publish("k")
		starts := 0
		w := start(t, q.engine(t, nil), j.watch(func(*message.Message) error {
			switch starts++; starts {
			case 1:
				return messages.Unavailable(errors.New("store down"))
			case 2, 3:
				return errHandler
			default:
				return nil
			}
		}))
		time.Sleep(100 * time.Millisecond)
		q.publish("other") // what intake was waiting for when the outage began
		time.Sleep(time.Minute)
		if left := q.left(); left > 0 {
			t.Errorf("%d messages left a minute later", left)
		}
		w.stop(t)
		j.check(t)
	})
}
