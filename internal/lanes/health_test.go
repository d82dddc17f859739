package lanes

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A queue that was deleted, or that may not be read any more, is told of, though nothing else is asked of it. One lost
// call is not; and when the queue answers again, that is told too, even if it is empty.
func TestHealthNamesTheQueueThatCannotBeReceivedFrom(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		var gone atomic.Bool
		var failed atomic.Int64
		q.faults.fetch = func() error {
			if !gone.Load() {
				return nil
			}
			failed.Add(1)
			return errors.New("no such queue")
		}
		w := start(t, q.engine(t, nil), takes(0))
		healthy := func(want bool, when string) {
			t.Helper()
			err := w.sub.Health()
			if want && err != nil || !want && (err == nil || !strings.Contains(err.Error(), "history: no such queue")) {
				t.Errorf("%s: %v", when, err)
			}
		}
		q.publish("a")
		q.drained()
		healthy(true, "while it works")
		gone.Store(true)
		q.mu.Lock()
		q.signal() // the fetch that is open looks again
		q.mu.Unlock()
		for failed.Load() < deafAfter-1 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond) // the engine has seen it, and waits before the next
		healthy(true, "after four failures")
		time.Sleep(5 * time.Second)
		healthy(false, "after five and more")
		gone.Store(false)
		time.Sleep(15 * time.Second) // the longest delay between two fetches
		healthy(true, "when the empty queue answers again")
		w.stop(t)
		healthy(true, "after the end")
	})
}
