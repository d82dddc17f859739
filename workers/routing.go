package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/otel/propagation"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/messages"
)

// Routing decides by rules where a message goes, and asks for one dispatch to each destination, so that one that is down
// never holds up another.
type Routing struct {
	Rules     *rules.Set
	Publisher message.Publisher
	Now       func() time.Time
}

// Handle routes a message.
func (r *Routing) Handle(ctx context.Context, env messages.Envelope, e messages.MessageReceived) error {
	return r.route(ctx, env, e, rules.OfMessage(env.Type, e.Origin, e.Message))
}

// HandleUpload routes an upload, which is a message of type file. What is sent on describes the file as it was received;
// its bytes stay unreadable until the media worker has released them.
func (r *Routing) HandleUpload(ctx context.Context, env messages.Envelope, e messages.MediaUploaded) error {
	return r.route(ctx, env, e, rules.OfMessage(env.Type, e.Origin, uploadMessage(e)))
}

// HandleEdit routes the new content of a message.
func (r *Routing) HandleEdit(ctx context.Context, env messages.Envelope, e messages.MessageUpdated) error {
	return r.route(ctx, env, e, rules.OfEdit(e))
}

// HandleDeletion routes the removal of a message. What is left of its place is for history alone: it may be that of a note
// among agents, and every destination is told of removals.
func (r *Routing) HandleDeletion(ctx context.Context, env messages.Envelope, e messages.MessageDeleted) error {
	if e.Place != nil {
		e.Place = nil
		data, err := json.Marshal(e, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("encode removal: %w", err)
		}
		env.Data = data
	}
	return r.route(ctx, env, e, rules.OfDeletion(e))
}

// HandleConversation routes what happened to a conversation.
func (r *Routing) HandleConversation(ctx context.Context, env messages.Envelope, e messages.ConversationUpdated) error {
	return r.route(ctx, env, e, rules.OfConversation(e))
}

// HandleAccount routes what happened to the provider's account.
func (r *Routing) HandleAccount(ctx context.Context, env messages.Envelope, e messages.AccountUpdated) error {
	return r.route(ctx, env, e, rules.OfAccount(e))
}

// HandleUnknown routes what livepipe has no word for.
func (r *Routing) HandleUnknown(ctx context.Context, env messages.Envelope, e messages.UnknownReceived) error {
	return r.route(ctx, env, e, rules.OfUnknown(e))
}

// route needs no store: the ids of what it publishes derive from the event and the destination, so that an event that
// comes again asks for the same dispatches, and dispatch does each once. What is sent on is the event as it came.
func (r *Routing) route(ctx context.Context, env messages.Envelope, e messages.Event, facts rules.Facts) error {
	targets, err := r.Rules.Route(facts)
	if err != nil {
		return fmt.Errorf("route event: %w", err)
	}
	var requests []*message.Message
	for _, target := range targets {
		request, err := messages.Seal(messages.DispatchRequested{
			Origin: e.From(), Destination: target.Destination, Rule: target.Rule, Event: env, Former: messages.FormerID(e),
		}, r.Now(), traceParent(ctx))
		if err != nil {
			return fmt.Errorf("route event: %w", err)
		}
		msg, err := bus.Marshal(request)
		if err != nil {
			return fmt.Errorf("route event: %w", err)
		}
		msg.SetContext(ctx)
		requests = append(requests, msg)
	}
	if len(requests) == 0 {
		return nil
	}
	return outage("publish dispatch requests", r.Publisher.Publish(messages.TypeDispatchRequested.Topic(), requests...))
}

// outage wraps an error of the broker, which every message of the worker needs, unless it speaks an outcome itself.
func outage(doing string, err error) error {
	var final *messages.PermanentError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &final):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return messages.Unavailable(fmt.Errorf("%s: %w", doing, err))
	}
}

// traceParent is the trace that ctx belongs to, in the form of W3C Trace Context; empty if there is none.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}
