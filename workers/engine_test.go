package workers_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

// queue is a source in memory.
type queue struct {
	mu      sync.Mutex
	pending []lanes.Delivery
	acked   int
	added   chan struct{}
}

func newQueue() *queue { return &queue{added: make(chan struct{}, 1)} }

func (q *queue) put(t *testing.T, env messages.Envelope) {
	t.Helper()
	msg, err := bus.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = append(q.pending, lanes.Delivery{Message: msg, Receipt: env.ID, Key: env.PartitionKey, Size: len(msg.Payload)})
	select {
	case q.added <- struct{}{}:
	default:
	}
}

func (q *queue) Fetch(ctx context.Context, limit int) ([]lanes.Delivery, error) {
	for {
		q.mu.Lock()
		n := min(limit, len(q.pending))
		batch := q.pending[:n:n]
		q.pending = q.pending[n:]
		q.mu.Unlock()
		if n > 0 {
			return batch, nil
		}
		select {
		case <-q.added:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *queue) Settle(_ context.Context, batch []lanes.Settlement) []error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range batch {
		if s.Action == lanes.Ack {
			q.acked++
		}
	}
	return nil
}

func (q *queue) Extend(context.Context, []lanes.Receipt) []error { return nil }

// engine runs workers over queues in memory, the way that an application does.
type engine struct {
	router *router.Router
	lanes  *lanes.Subscriber
	ended  chan error
}

func start(t *testing.T, log *slog.Logger, dead message.Publisher, queues map[string]*queue, routes map[string][]router.Route) *engine {
	t.Helper()
	open := func(_ context.Context, name string) (lanes.Source, error) { return queues[name], nil }
	subscriber, err := lanes.New(lanes.Config{}, open, log, lanes.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	var specs []router.Worker
	for _, b := range router.Table() {
		if _, ok := routes[b.Worker]; ok {
			specs = append(specs, router.Worker{Binding: b, Subscriber: subscriber, Routes: routes[b.Worker]})
		}
	}
	r, err := router.New(router.Config{Workers: specs, DeadLetters: dead, Logger: log, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{router: r, lanes: subscriber, ended: make(chan error, 1)}
	go func() { e.ended <- r.Run(context.WithoutCancel(t.Context())) }()
	<-r.Running()
	return e
}

func (e *engine) stop(t *testing.T) {
	t.Helper()
	e.router.Drain()
	if err := e.lanes.Close(); err != nil {
		t.Error(err)
	}
	if err := e.router.Close(); err != nil {
		t.Error(err)
	}
	if err := <-e.ended; err != nil {
		t.Error(err)
	}
}
