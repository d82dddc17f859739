package lanes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

func TestUnavailablePausesIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		down := true
		var mu sync.Mutex
		var probes []time.Time
		var attempts atomic.Int64
		w := start(t, newEngine(t, q.open, nil), j.watch(q, func(msg *message.Message) error {
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
		j.check(t, q)
		if attempts.Load() != 1 {
			t.Errorf("an outage was counted: attempt %d", attempts.Load())
		}
		if q.expired > 0 {
			t.Errorf("%d leases ended during the outage", q.expired)
		}
	})
}

func TestPostponeWaitsInItsLaneOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		cooled := time.Now().Add(2 * time.Minute)
		w := start(t, newEngine(t, q.open, nil), j.watch(q, func(msg *message.Message) error {
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
		if !time.Now().Before(cooled.Add(time.Second)) {
			t.Errorf("drained %s after the end of the wait", time.Since(cooled))
		}
		w.stop(t)
		j.check(t, q)
		if got := j.startsOf("k7-0"); got != 2 {
			t.Errorf("k7-0 was started %d times, want 2", got)
		}
	})
}

func TestRetryDelayGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(testLease)
		q.publish("k")
		var starts []time.Time
		w := start(t, newEngine(t, q.open, nil), func(msg *message.Message) error {
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
			if got := starts[i+1].Sub(starts[i]); got != want {
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
