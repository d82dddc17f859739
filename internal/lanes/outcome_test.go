package lanes

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// A postponed message waits and counts nothing. Where a key has an order, its followers wait behind it; the other keys
// go on.
func TestPostponeWaitsInItsLaneOnly(t *testing.T) {
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		cooled := time.Now().Add(2 * time.Minute)
		w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
			if n := Attempt(msg.Context()); n != 1 {
				t.Errorf("%s: attempt %d, want none counted", msg.UUID, n)
			}
			if keyOf(msg) == "k7" && time.Now().Before(cooled) {
				return messages.Postpone(time.Until(cooled), errors.New("circuit open"))
			}
			return nil
		}))
		q.publish(keys(1_000, 10)...)
		time.Sleep(time.Second)
		if left := q.left(); left != 100 {
			t.Errorf("%d messages left after a second, want the 100 of the postponed lane", left)
		}
		q.drained()
		if !time.Now().Before(cooled.Add(2 * time.Second)) {
			t.Errorf("drained %s after the end of the wait", time.Since(cooled))
		}
		w.stop(t)
		j.check(t)
		if got := j.startsOf("k7-0"); got != 2 {
			t.Errorf("k7-0 was started %d times, want 2", got)
		}
		if k.sorted && j.startsOf("k7-1") != 1 || !k.sorted && j.startsOf("k7-1") != 2 {
			t.Errorf("k7-1, the follower, was started %d times", j.startsOf("k7-1"))
		}
	})
}

// The delay after a counted failure doubles, wherever the message waits, and the count survives its way through the
// queue.
func TestRetryDelayGrows(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		q.publish("k")
		var starts []time.Time
		w := start(t, q.engine(t, nil), func(msg *message.Message) error {
			starts = append(starts, time.Now())
			if got, want := Attempt(msg.Context()), len(starts); got != want {
				t.Errorf("attempt %d, want %d", got, want)
			}
			if len(starts) == 12 {
				return nil
			}
			return errHandler
		})
		q.drained()
		w.stop(t)
		for i := range 11 {
			want := min(500*time.Millisecond<<i, 5*time.Minute)
			if k.order != Ordered {
				want = k.rounded(want)
			}
			// What went back comes with a call to settle and one to fetch.
			if got := starts[i+1].Sub(starts[i]); got < want || got > want+3*q.latency {
				t.Errorf("delay %d is %s, want %s", i+1, got, want)
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	b := Backoff{Initial: time.Second, Max: 10 * time.Second, Jitter: 0.5}
	tests := []struct {
		n      int
		random float64
		want   time.Duration
	}{
		{1, 0, 500 * time.Millisecond},
		{1, 0.5, time.Second},
		{2, 0.5, 2 * time.Second},
		{4, 0.75, 10 * time.Second},
		{5, 0.5, 10 * time.Second},
		{1_000_000, 0, 5 * time.Second},
	}
	for _, tt := range tests {
		if got := b.Delay(tt.n, tt.random); got != tt.want {
			t.Errorf("Delay(%d, %v) = %s, want %s", tt.n, tt.random, got, tt.want)
		}
	}
}

func TestOutsideOfALane(t *testing.T) {
	Fail(context.Background(), errHandler)
	if got := Attempt(context.Background()); got != 1 {
		t.Errorf("attempt %d, want 1", got)
	}
}

// Watermill's own words without the engine's: a message that is neither acked nor nacked keeps its lease.
func TestSilentHandlerKeepsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		q.publish("k")
		sub := q.engine(t, nil)
		messages, err := sub.Subscribe(t.Context(), "history")
		if err != nil {
			t.Fatal(err)
		}
		msg := <-messages
		time.Sleep(time.Hour)
		msg.Ack()
		q.drained()
		if err := sub.Close(); err != nil || q.expired > 0 {
			t.Errorf("Close() = %v, %d leases ended", err, q.expired)
		}
	})
}
