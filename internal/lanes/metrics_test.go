package lanes

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		m := NewMetrics(reg)
		q := newQueue(stream)
		q.faults.settle = everyNth(2)
		q.publish("fails", "fails", "runs", "runs")
		other := newQueue(stream)
		other.publish("runs")
		cfg := Config{Lease: testLease, LargestMessage: 1000}
		var workers []*worker
		for _, queue := range []*queue{q, other} { // two Subscribers share one registry
			sub, err := New(cfg, queue.open, slog.New(slog.DiscardHandler), m)
			if err != nil {
				t.Fatal(err)
			}
			workers = append(workers, start(t, sub, func(msg *message.Message) error {
				if keyOf(msg) == "fails" && Attempt(msg.Context()) < 3 {
					return errHandler
				}
				time.Sleep(time.Minute)
				return nil
			}))
		}
		time.Sleep(100 * time.Millisecond)

		expect := func(c prometheus.Collector, want float64) {
			t.Helper()
			if got := testutil.ToFloat64(c); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		}
		expect(m.inFlight, 2)
		expect(m.heldMessages, 5)
		expect(m.heldBodies, 5)
		expect(m.heldBytes, 5000)
		expect(m.closed, 1)
		expect(m.retries.WithLabelValues("history", "failed"), 1)

		problems, err := testutil.GatherAndLint(reg)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
		q.drained()
		other.drained()
		for _, w := range workers {
			w.stop(t)
		}
		expect(m.inFlight, 0)
		expect(m.heldMessages, 0)
		expect(m.heldBytes, 0)
		if testutil.ToFloat64(m.sourceErrors.WithLabelValues("history", "settle")) == 0 {
			t.Error("failed settles were not counted")
		}
	})
}

func TestConfigProblemsAreAllNamed(t *testing.T) {
	_, err := New(Config{
		Order: 3, SettleBatch: 257, SettleLinger: -1,
		Concurrency: -1, Lease: time.Millisecond, MaxBytes: 1, Retry: Backoff{Initial: -1},
	},
		nil, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	want := "check lanes config: Concurrency is -1, must be at least 1\n" +
		"MaxBytes is 1, must be at least 1048576\n" +
		"order is 3, must be Ordered, Unordered or Invocation\n" +
		"SettleBatch is 257, must be 0 to 256\n" +
		"SettleLinger is -1ns, must be 0 to half a lease\n" +
		"lease is 1ms, must be at least 1s\n" +
		"Retry needs 0 < Initial <= Max and 0 <= Jitter < 1"
	if err == nil || err.Error() != want {
		t.Errorf("New() = %v, want\n%s", err, want)
	}
}
