// Package app joins the rooms of livepipe to a process and runs it. It names no driver: what a bus, a store or a blob
// store is made of is chosen in cmd.
//
//	 LiveChat, browsers                                                   organisation's systems
//	        │ POST /livechat/{identifier}                                          ▲
//	        ▼                                                                      │ webhooks
//	┌───────────────┐ publish ┌───────────────┐ fetch ┌───────┐ messages ┌────────────────────┐
//	│    ingress    │────────▶│      bus      │──────▶│ lanes │─────────▶│ router ─▶ workers  │
//	│ check, decode │◀────────│ topic → queue │◀──────│       │◀─────────│ history  delivery  │
//	└───────────────┘ durable └───────────────┘ settle└───────┘ ack/nack │ routing  dispatch  │
//	   │ 200   ▲                      ▲                                  │ media              │
//	   ▼       │ read                 │ events of workers                └────────────────────┘
//	 caller    │                      └───────────────────────────────────────┘        │ write
//	           │                ┌───────────────────┐                                  │
//	           └────────────────│  store and blobs  │◀─────────────────────────────────┘
//	                            └───────────────────┘
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/workers"
)

// Options says what one process is made of. A nil Ingress or Router is a role that this process does not play.
type Options struct {
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Bus      Bus
	Store    Store
	Blobs    *blobs.Store
	Ingress  *IngressOptions
	Router   *RouterOptions
	// AdminAddr serves health, readiness, metrics and profiles; empty means off.
	AdminAddr string
	// Unwatched spares the checks that health goes by, where nobody asks for it: a function is frozen between its calls.
	Unwatched bool
	// Grace bounds a stop: draining HTTP, the handlers in flight, the last acknowledgements. A tenth of it is left to whoever
	// closes the bus, the store and the files afterwards.
	Grace time.Duration
	// Started, when set, is called once with the addresses in use, after everything runs.
	Started func(Addresses)
}

// Addresses are what a process listens on; an empty one is off.
type Addresses struct {
	HTTP  string
	Admin string
}

// Bus is what app needs of a broker.
type Bus struct {
	// Publisher returns once every message is durable.
	Publisher message.Publisher
	// DeadLetters takes what can never be handled; the topic is the queue's name.
	DeadLetters message.Publisher
	// Source opens a queue for the consumer engine.
	Source func(ctx context.Context, queue string) (lanes.Source, error)
	// Engine is what the consumer engine has to know of the broker: its lease, its order, what a settlement costs.
	Engine lanes.Config
	// Backlog counts the events of a queue that are not handled yet and says when the oldest was published; a zero
	// time when the broker does not say.
	Backlog func(ctx context.Context, queue string) (events int64, oldest time.Time, err error)
	// Health reports whether the broker can make an event durable now.
	Health func(ctx context.Context) error
	// Paid says that asking for Health costs money, so it is asked less often while all is well.
	Paid bool
	// Repair restarts the broker in place; nil when it runs elsewhere.
	Repair func(ctx context.Context) error
}

// Store is everything that the rooms of a process need of its database.
type Store interface {
	ingress.History
	ingress.Uploads
	ingress.Accounts
	workers.HistoryStore
	workers.DeliveryStore
	workers.RoutingStore
	workers.DispatchStore
	workers.MediaStore
	retentionStore
	Health(ctx context.Context) error
}

// Run starts the process and returns when ctx ends, after a graceful stop, or when a part fails. It may run several
// times in one process.
func Run(ctx context.Context, o Options) error {
	r := &process{Options: o, log: o.Logger}
	if err := r.start(ctx); err != nil {
		return errors.Join(err, r.stop())
	}
	if o.Started != nil {
		o.Started(r.addresses())
	}
	var failed error
	select {
	case <-ctx.Done():
		r.log.Info("stopping", "grace", o.Grace)
	case failed = <-r.failures:
		r.log.Error("a part has failed, stopping", "error", failed)
	}
	return errors.Join(failed, r.stop())
}

// process is one running Run.
type process struct {
	Options
	log      *slog.Logger
	failures chan error // the first failure of any part ends the process
	parts    sync.WaitGroup
	cleanups []cleanup
	stopped  time.Time // when the stop began
	health   *health
	engine   *lanes.Subscriber // nil without workers
	http     net.Listener
	admin    net.Listener
}

// cleanup is one named step of the stop.
type cleanup struct {
	name string
	run  func(ctx context.Context) error
}

func (p *process) onStop(name string, run func(ctx context.Context) error) {
	p.cleanups = append(p.cleanups, cleanup{name, run})
}

// run starts a part that lives until its cleanup. Its error ends the process.
func (p *process) run(name string, part func() error) {
	p.parts.Go(func() {
		err := part()
		if err == nil {
			return
		}
		select {
		case p.failures <- fmt.Errorf("run %s: %w", name, err):
		default: // one failure is enough to stop
		}
	})
}

// start brings the parts up, consumers before producers; the stop takes them down in reverse.
func (p *process) start(ctx context.Context) error {
	p.failures = make(chan error, 1)
	p.health = newHealth(p.Options)
	if err := p.makeEngine(); err != nil {
		return err
	}
	if !p.Unwatched {
		p.run("health", p.health.run)
	}
	p.onStop("health", p.health.stop)
	if err := p.startAdmin(ctx); err != nil {
		return err
	}
	if err := p.startRouter(ctx); err != nil {
		return err
	}
	return p.startIngress(ctx)
}

func (p *process) addresses() Addresses {
	var a Addresses
	if p.http != nil {
		a.HTTP = p.http.Addr().String()
	}
	if p.admin != nil {
		a.Admin = p.admin.Addr().String()
	}
	return a
}
