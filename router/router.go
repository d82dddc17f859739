// Package router consumes the queues of the workers. It opens each message, finds the handler of its type and turns what
// the handler returns into acknowledged, again later, or dead letter. It knows Watermill and the consumer engine; it
// imports neither ingress nor workers, and no broker.
package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/messages"
)

// Config is what a router is made of. Workers, DeadLetters and Logger are required.
type Config struct {
	Workers     []Worker
	DeadLetters message.Publisher     // publishes under the worker's name
	Logger      *slog.Logger          // gets ids, types and reasons, never a payload or a foreign error's text
	Metrics     prometheus.Registerer // nil: metrics are kept and shown nowhere
	// MaxAttempts is how many counted attempts a message has; zero means 12. The engine's delays double from 0.5 s to
	// 5 min, so the eleven between them are 0.5 + 1 + ... + 256 + 300 s, about 14 minutes.
	MaxAttempts int
	// CloseTimeout bounds how long Close waits for handlers in flight; zero means 15 s.
	CloseTimeout time.Duration
	Now          func() time.Time // nil: time.Now
}

// Worker joins a row of the route table with its queue and its handlers. Routes must cover exactly the types of the row.
type Worker struct {
	Binding    Binding
	Subscriber message.Subscriber // subscribed to with the worker's name as the topic
	Routes     []Route
	Timeout    time.Duration // how long one run of a handler may take; zero means 30 s
}

const (
	defaultMaxAttempts  = 12
	defaultTimeout      = 30 * time.Second
	defaultCloseTimeout = 15 * time.Second
)

// Router runs the workers of one process.
type Router struct {
	watermill *message.Router
	handlers  map[string]*message.Handler
	log       *slog.Logger
	stopping  atomic.Bool
	lost      chan string // the first worker whose queue closed unasked
}

// New builds a router. It does not subscribe to anything before Run.
func New(cfg Config) (*Router, error) {
	if cfg.DeadLetters == nil || cfg.Logger == nil {
		return nil, errors.New("build router: dead-letter publisher and logger are required")
	}
	applyDefaults(&cfg)
	metrics, err := newMetrics(cfg.Metrics, cfg.Workers)
	if err != nil {
		return nil, fmt.Errorf("build router: %w", err)
	}
	wm, err := message.NewRouter(message.RouterConfig{CloseTimeout: cfg.CloseTimeout}, newLogger(cfg.Logger))
	if err != nil {
		return nil, fmt.Errorf("build router: %w", err)
	}
	r := &Router{watermill: wm, handlers: map[string]*message.Handler{}, log: cfg.Logger, lost: make(chan string, 1)}
	for _, spec := range cfg.Workers {
		if err := r.add(cfg, metrics, spec); err != nil {
			return nil, fmt.Errorf("build router: %w", err)
		}
	}
	return r, nil
}

func applyDefaults(cfg *Config) {
	if cfg.MaxAttempts <= 0 {
		cfg.MaxAttempts = defaultMaxAttempts
	}
	if cfg.CloseTimeout <= 0 {
		cfg.CloseTimeout = defaultCloseTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
}

// add makes the consumer of one worker. Its middleware order is a promise: what fails inside one is seen by all before it.
func (r *Router) add(cfg Config, metrics *metrics, spec Worker) error {
	w := &worker{
		name: spec.Binding.Worker, routes: map[messages.Type]Route{}, timeout: spec.Timeout,
		deadLetters: cfg.DeadLetters, maxAttempts: cfg.MaxAttempts, log: cfg.Logger, metrics: metrics, now: cfg.Now,
	}
	if w.timeout <= 0 {
		w.timeout = defaultTimeout
	}
	if _, twice := r.handlers[w.name]; twice {
		return fmt.Errorf("worker %q is given twice", w.name)
	}
	for _, route := range spec.Routes {
		if _, twice := w.routes[route.Type]; twice || !slices.Contains(spec.Binding.Types, route.Type) {
			return fmt.Errorf("worker %q: the route table has no place for a handler of %s", w.name, route.Type)
		}
		w.routes[route.Type] = route
	}
	for _, t := range spec.Binding.Types {
		if _, ok := w.routes[t]; !ok {
			return fmt.Errorf("worker %q: no handler for %s", w.name, t)
		}
	}
	h := r.watermill.AddConsumerHandler(w.name, w.name, spec.Subscriber, w.handle)
	h.AddMiddleware(w.trace, w.measure, w.deadLetter, w.recover, w.limit)
	r.handlers[w.name] = h
	return nil
}

// Run consumes until ctx ends or Close is called, and then returns nil once the handlers in flight are done. A worker
// whose queue closes although nobody asked for it ends Run with an error, because nothing would handle its events.
func (r *Router) Run(ctx context.Context) error {
	done := make(chan struct{})
	defer close(done)
	go r.watch(ctx, done)
	if err := r.watermill.Run(ctx); err != nil {
		return fmt.Errorf("run router: %w", err)
	}
	select {
	case name := <-r.lost:
		return fmt.Errorf("run router: the queue of worker %q closed unasked", name)
	default:
		return nil
	}
}

// watch waits for each worker's channel to close.
func (r *Router) watch(ctx context.Context, done <-chan struct{}) {
	select {
	case <-r.watermill.Running():
	case <-done: // the start failed; there is nothing to watch
		return
	}
	for name, h := range r.handlers {
		stopped := h.Stopped()
		go func() {
			<-stopped
			if r.stopping.Load() || ctx.Err() != nil {
				return
			}
			select {
			case r.lost <- name:
				r.log.Error("the queue of a worker closed unasked", "worker", name)
			default: // another was first
			}
			_ = r.watermill.Close() // its only error is a timeout, and Run returns the loss
		}()
	}
}

// Running is closed when every worker is subscribed.
func (r *Router) Running() <-chan struct{} { return r.watermill.Running() }

// Drain says that the queues are about to close on purpose. Call it before stopping the consumer engine: Watermill's own
// Close ends the subscriptions at once and does not wait for subscribers, so the engine is stopped first, and then Close.
func (r *Router) Drain() { r.stopping.Store(true) }

// Close ends the subscriptions and waits for the handlers in flight, at most CloseTimeout.
func (r *Router) Close() error {
	r.Drain()
	if err := r.watermill.Close(); err != nil {
		return fmt.Errorf("close router: %w", err)
	}
	return nil
}
