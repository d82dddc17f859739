package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/propagation"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/messages"
)

// RoutingStore knows what an event does not say about the people and the messages of its chat.
type RoutingStore interface {
	// PersonType returns what one of the chat's people is; false when nobody has told of them.
	PersonType(ctx context.Context, chat messages.Chat, personID string) (kind string, known bool, err error)
	// IsNote reports whether a message is a note among agents, and whether it is stored at all.
	IsNote(ctx context.Context, chat messages.Chat, messageID string) (note, known bool, err error)
}

// Routing decides by rules where a message goes, and asks for one dispatch to each destination, so that one that is down
// never holds up another.
type Routing struct {
	Rules     *rules.Set
	Store     RoutingStore
	Publisher message.Publisher
	Now       func() time.Time
}

// Handle routes a message.
func (r *Routing) Handle(ctx context.Context, env messages.Envelope, e messages.MessageReceived) error {
	told, err := r.tellAuthor(ctx, e.Chat, &e.Message)
	if err == nil && told {
		env, err = env.Holding(e)
	}
	if err != nil {
		return fmt.Errorf("route message: %w", err)
	}
	return r.route(ctx, env, e, rules.OfMessage(env.Type, e.Origin, e.Message))
}

// HandleUpload routes an upload, which is a message of type file. What is sent on describes the file as it was received;
// its bytes stay unreadable until the media worker has released them.
func (r *Routing) HandleUpload(ctx context.Context, env messages.Envelope, e messages.MediaUploaded) error {
	return r.route(ctx, env, e, rules.OfMessage(env.Type, e.Origin, uploadMessage(e)))
}

// HandleEdit routes the new content of a message.
func (r *Routing) HandleEdit(ctx context.Context, env messages.Envelope, e messages.MessageUpdated) error {
	told, err := r.tellAuthor(ctx, e.Chat, &e.Message)
	if err == nil && told {
		env, err = env.Holding(e)
	}
	if err == nil && e.KeepsVisibility {
		var note, known bool
		note, known, err = r.Store.IsNote(ctx, e.Chat, e.Message.ID)
		e.KeepsVisibility, e.Message.Internal = !known, note
	}
	if err != nil {
		return fmt.Errorf("route edit: %w", err)
	}
	return r.route(ctx, env, e, rules.OfEdit(e))
}

// HandleDeletion routes the removal of a message. It goes on with ids alone, so it passes where nobody knows the message:
// what is left of its place is for history.
func (r *Routing) HandleDeletion(ctx context.Context, env messages.Envelope, e messages.MessageDeleted) error {
	note, known, err := r.Store.IsNote(ctx, e.Chat, e.MessageID)
	if err == nil && e.Place != nil {
		note = note || !known && e.Place.Internal != nil && *e.Place.Internal
		e.Place = nil
		env, err = env.Holding(e)
	}
	if err != nil {
		return fmt.Errorf("route removal: %w", err)
	}
	return r.route(ctx, env, e, rules.OfDeletion(e, note))
}

// HandleConversation routes what happened to a conversation. The properties of a message may quote it, a translation say, so
// those of a message that nobody knows are taken for a note's.
func (r *Routing) HandleConversation(ctx context.Context, env messages.Envelope, e messages.ConversationUpdated) error {
	if e.MessageID == "" {
		return r.route(ctx, env, e, rules.OfConversation(e, false))
	}
	note, known, err := r.Store.IsNote(ctx, e.Chat, e.MessageID)
	if err != nil {
		return fmt.Errorf("route change of a message: %w", err)
	}
	return r.route(ctx, env, e, rules.OfConversation(e, note || !known))
}

// HandleAccount routes what happened to the provider's account.
func (r *Routing) HandleAccount(ctx context.Context, env messages.Envelope, e messages.AccountUpdated) error {
	return r.route(ctx, env, e, rules.OfAccount(e))
}

// HandleUnknown routes what livepipe has no word for.
func (r *Routing) HandleUnknown(ctx context.Context, env messages.Envelope, e messages.UnknownReceived) error {
	return r.route(ctx, env, e, rules.OfUnknown(e))
}

// tellAuthor puts the type that the chat's people tell in the place of a guess, and reports whether it did. As history is
// another worker, somebody who was told of a moment ago may not be known yet; then the guess goes on, marked as one.
func (r *Routing) tellAuthor(ctx context.Context, chat messages.Chat, m *messages.Message) (told bool, err error) {
	if !m.AuthorGuessed {
		return false, nil
	}
	kind, known, err := r.Store.PersonType(ctx, chat, m.Author.ID)
	if err != nil || !known {
		return false, err
	}
	m.Author.Type, m.AuthorGuessed = kind, false
	return true, nil
}

// route writes nothing to a store: the ids of what it publishes derive from the event and the destination, so that an event
// that comes again asks for the same dispatches, and dispatch does each once. What is sent on is the event as it came, but
// for the type of an author that was a guess.
func (r *Routing) route(ctx context.Context, env messages.Envelope, e messages.Event, facts rules.Facts) error {
	targets, err := r.Rules.Route(facts)
	if err != nil {
		return fmt.Errorf("route event: %w", err)
	}
	former := messages.FormerID(e)
	var requests []*message.Message
	for _, target := range targets {
		request, err := messages.Seal(messages.DispatchRequested{
			Origin: e.From(), Destination: target.Destination, Rule: target.Rule, Internal: facts.Internal, Event: env,
			Former: former,
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
