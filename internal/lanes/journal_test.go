package lanes

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// journal records what handlers saw, over any number of engines on one queue.
type journal struct {
	q *queue

	mu        sync.Mutex
	done      map[string]map[int]bool // per key, the n of its successes
	starts    map[string]int          // per message
	repeats   int                     // successes after the first
	latencies map[string][]time.Duration
	problems  []string
}

func newJournal(q *queue) *journal {
	return &journal{
		q: q, done: map[string]map[int]bool{}, starts: map[string]int{}, latencies: map[string][]time.Duration{},
	}
}

func keyOf(msg *message.Message) string { return msg.Metadata.Get("key") }

func nOf(msg *message.Message) int {
	n, _ := strconv.Atoi(msg.Metadata.Get("n"))
	return n
}

// watch wraps a handler: one message of a key at a time, first successes in order if the queue has one.
func (j *journal) watch(handle func(*message.Message) error) func(*message.Message) error {
	running := map[string]int{} // of this engine
	return func(msg *message.Message) error {
		key := keyOf(msg)
		j.mu.Lock()
		j.starts[msg.UUID]++
		if running[key]++; running[key] > 1 {
			j.problem("two of %s at once", key)
		}
		j.mu.Unlock()

		err := handle(msg)

		j.mu.Lock()
		defer j.mu.Unlock()
		running[key]--
		if err == nil {
			j.succeeded(msg)
		}
		return err
	}
}

func (j *journal) succeeded(msg *message.Message) {
	key, n := keyOf(msg), nOf(msg)
	done := j.done[key]
	if done == nil {
		done = map[int]bool{}
		j.done[key] = done
	}
	if done[n] {
		j.repeats++
		return
	}
	if j.q.kind.sorted && n != len(done) {
		j.problem("%s-%d succeeded before %s-%d", key, n, key, len(done))
	}
	done[n] = true
	seq, _ := strconv.Atoi(msg.Metadata.Get("seq"))
	j.q.mu.Lock()
	published := j.q.entries[seq].published
	j.q.mu.Unlock()
	j.latencies[key] = append(j.latencies[key], time.Since(published))
}

func (j *journal) problem(format string, args ...any) {
	if len(j.problems) < 10 {
		j.problems = append(j.problems, fmt.Sprintf(format, args...))
	}
}

func (j *journal) startsOf(id string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.starts[id]
}

// check reports every broken promise, and keys that are not handled to their end.
func (j *journal) check(t testing.TB) {
	t.Helper()
	j.checkOrder(t)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.q.mu.Lock()
	defer j.q.mu.Unlock()
	for key, n := range j.q.perKey {
		if len(j.done[key]) != n {
			t.Errorf("%s: %d of %d handled", key, len(j.done[key]), n)
		}
	}
}

// checkOrder is check for a queue that is not drained.
func (j *journal) checkOrder(t testing.TB) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range j.problems {
		t.Error(p)
	}
}

// checkOnce reports what was started twice although every lease was extended.
func (j *journal) checkOnce(t testing.TB) {
	t.Helper()
	if j.q.expired > 0 || j.repeats > 0 {
		t.Errorf("%d leases ended, %d messages were handled twice", j.q.expired, j.repeats)
	}
	for id, n := range j.starts {
		if n != 1 {
			t.Errorf("%s was started %d times", id, n)
		}
	}
}

// p99 is over all keys that include accepts.
func (j *journal) p99(include func(key string) bool) time.Duration {
	var all []time.Duration
	for key, latencies := range j.latencies {
		if include(key) {
			all = append(all, latencies...)
		}
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
