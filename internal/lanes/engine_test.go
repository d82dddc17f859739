package lanes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testLease is the lease of every test: long next to a handler, short next to an outage.
const testLease = 30 * time.Second

type opener func(ctx context.Context, queue string) (Source, error)

// newEngine returns a Subscriber over open with a fixed random number and a short close timeout.
func newEngine(t testing.TB, open opener, change func(*Config)) *Subscriber {
	t.Helper()
	cfg := Config{Lease: testLease, CloseTimeout: 5 * time.Second, Rand: func() float64 { return 0.5 }}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, open, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// worker handles what a Subscriber delivers as Watermill's router does: one goroutine for each message.
type worker struct {
	sub    *Subscriber
	closed chan struct{} // when the channel closed and all handlers returned
}

func start(t testing.TB, sub *Subscriber, handle func(*message.Message) error) *worker {
	t.Helper()
	return startContext(context.Background(), t, sub, handle)
}

func startContext(
	ctx context.Context, t testing.TB, sub *Subscriber, handle func(*message.Message) error,
) *worker {
	t.Helper()
	messages, err := sub.Subscribe(ctx, "history")
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{sub, make(chan struct{})}
	go func() {
		defer close(w.closed)
		var wg sync.WaitGroup
		defer wg.Wait()
		for msg := range messages {
			wg.Go(func() {
				if err := handle(msg); err != nil {
					Fail(msg.Context(), err)
					msg.Nack()
					return
				}
				msg.Ack()
			})
		}
	}()
	return w
}

func (w *worker) stop(t testing.TB) {
	t.Helper()
	if err := w.sub.Close(); err != nil {
		t.Error(err)
	}
	<-w.closed
}

// journal records what handlers saw, over any number of engines on one queue.
type journal struct {
	mu        sync.Mutex
	next      map[string]int // per key, the n of the next first success
	running   map[string]int
	starts    map[string]int // per message
	repeats   int            // successes after the first
	latencies map[string][]time.Duration
	problems  []string
}

func newJournal() *journal {
	return &journal{
		next: map[string]int{}, running: map[string]int{}, starts: map[string]int{},
		latencies: map[string][]time.Duration{},
	}
}

func keyOf(msg *message.Message) string { return msg.Metadata.Get("key") }

func nOf(msg *message.Message) int {
	n, _ := strconv.Atoi(msg.Metadata.Get("n"))
	return n
}

// watch wraps a handler: one message of a key at a time, first successes in order.
func (j *journal) watch(q *queue, handle func(*message.Message) error) func(*message.Message) error {
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
		if err != nil {
			return err
		}
		n := nOf(msg)
		switch next := j.next[key]; {
		case n < next:
			j.repeats++
		case n > next:
			j.problem("%s-%d succeeded before %s-%d", key, n, key, next)
		default:
			j.next[key]++
			seq, _ := strconv.Atoi(msg.Metadata.Get("seq"))
			q.mu.Lock()
			published := q.entries[seq].published
			q.mu.Unlock()
			j.latencies[key] = append(j.latencies[key], time.Since(published))
		}
		return nil
	}
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
func (j *journal) check(t testing.TB, q *queue) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range j.problems {
		t.Error(p)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, n := range q.perKey {
		if j.next[key] != n {
			t.Errorf("%s: %d of %d handled", key, j.next[key], n)
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

func takes(d time.Duration) func(*message.Message) error {
	return func(*message.Message) error {
		time.Sleep(d)
		return nil
	}
}

func keys(n, of int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("k%d", i%of)
	}
	return all
}

// everyNth fails with errFault at every nth call, from the first.
func everyNth(n int) func() error {
	var mu sync.Mutex
	calls := 0
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%n == 1%n {
			return errFault
		}
		return nil
	}
}

var errHandler = errors.New("handler failed")
