package router

import (
	"context"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/propagation"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

// worker is one queue's consumer; its methods are the middlewares, outermost first.
type worker struct {
	name        string
	routes      map[messages.Type]Route
	timeout     time.Duration
	deadLetters message.Publisher
	maxAttempts int
	log         *slog.Logger
	metrics     *metrics
	now         func() time.Time
}

// delivery is what the middlewares of one message tell each other.
type delivery struct {
	env       messages.Envelope
	decodeErr error // why env is empty; reported where the dead letter can see it
	verdict   verdict
}

type deliveryKey struct{}

// deliveryOf finds what trace has put there; a message without it is a mistake in the middleware order.
func deliveryOf(ctx context.Context) *delivery { return ctx.Value(deliveryKey{}).(*delivery) }

// trace opens the envelope once for everybody and carries its trace into the context, so that what a handler publishes
// or posts belongs to the same trace.
func (w *worker) trace(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		d := &delivery{}
		d.env, d.decodeErr = bus.Unmarshal(msg)
		ctx := context.WithValue(msg.Context(), deliveryKey{}, d)
		if d.env.TraceParent != "" {
			ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": d.env.TraceParent})
		}
		msg.SetContext(ctx)
		return next(msg)
	}
}

// limit bounds one run of the handler. What looks at the error afterwards sees the message's own context again, whose
// end means that the process is stopping.
func (w *worker) limit(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		outer := msg.Context()
		ctx, cancel := context.WithTimeout(outer, w.timeout)
		defer cancel()
		msg.SetContext(ctx)
		defer msg.SetContext(outer)
		return next(msg)
	}
}

// handle finds the route of the event's type.
func (w *worker) handle(msg *message.Message) error {
	d := deliveryOf(msg.Context())
	if d.decodeErr != nil {
		return d.decodeErr
	}
	route, ok := w.routes[d.env.Type]
	if !ok {
		return messages.PermanentBecause(messages.ReasonUnrouted, "the worker has no route for this type")
	}
	return route.handle(msg.Context(), d.env)
}
