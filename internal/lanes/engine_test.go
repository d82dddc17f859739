package lanes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
