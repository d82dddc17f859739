package workers_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/internal/lanes/lanestest"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

// put adds an event to a queue.
func put(t *testing.T, q *lanestest.Queue, env messages.Envelope) {
	t.Helper()
	msg, err := bus.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	q.Put(msg)
}

// engine runs workers over queues in memory, the way that an application does.
type engine struct {
	router *router.Router
	lanes  *lanes.Subscriber
	ended  chan error
}

func start(t *testing.T, log *slog.Logger, dead message.Publisher, queues map[string]*lanestest.Queue, routes map[string][]router.Route) *engine {
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
