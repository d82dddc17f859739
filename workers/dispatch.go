package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/messages"
)

// DispatchStore remembers what was delivered.
type DispatchStore interface {
	// Dispatched reports whether the dispatch event was delivered.
	Dispatched(ctx context.Context, eventID string) (bool, error)
	// MarkDispatched notes that the dispatch event was delivered.
	MarkDispatched(ctx context.Context, eventID, destination string, at time.Time) error
}

// Dispatch delivers events to the destinations of the rules. A death between the delivery and its note repeats the
// delivery with the same webhook-id, by which a receiver knows it.
type Dispatch struct {
	store     DispatchStore
	rules     *rules.Set
	client    *http.Client
	log       *slog.Logger
	now       func() time.Time
	cooldowns map[string]*cooldown // by destination; every webhook has one, and the map never changes
	unnoted   *lru.Cache[string, struct{}]
}

// maxUnnoted bounds the memory of deliveries whose note failed: as the intake pauses then, they are about as many as
// handlers, 64 by default. 4096 ids of 36 bytes are half a megabyte with their list.
const maxUnnoted = 4096

// DispatchConfig is what a dispatch worker is made of. Store, Rules and Logger are required.
type DispatchConfig struct {
	Store  DispatchStore
	Rules  *rules.Set
	Logger *slog.Logger      // the destination "log" writes to it: ids and types only
	HTTP   http.RoundTripper // nil: a transport of its own
	Now    func() time.Time  // nil: time.Now
	// Parallel bounds the deliveries under way to one destination. Zero means 32: half of the engine's 64 handlers, so
	// that a destination that answers slowly leaves as many to the others.
	Parallel int
}

// NewDispatch makes a dispatch worker.
func NewDispatch(cfg DispatchConfig) *Dispatch {
	if cfg.HTTP == nil {
		cfg.HTTP = newTransport()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = 32
	}
	d := &Dispatch{
		store: cfg.Store, rules: cfg.Rules, log: cfg.Logger, now: cfg.Now, cooldowns: map[string]*cooldown{},
		client: &http.Client{Transport: cfg.HTTP, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect is an answer that refuses; nothing is posted elsewhere
		}},
	}
	d.unnoted, _ = lru.New[string, struct{}](maxUnnoted) // refuses only a size below one
	for _, destination := range cfg.Rules.Destinations() {
		if destination.Type == rules.Webhook {
			d.cooldowns[destination.Name] = newCooldown(cfg.Parallel)
		}
	}
	return d
}

// Close closes the connections that wait to be used again.
func (d *Dispatch) Close() { d.client.CloseIdleConnections() }

// Handle delivers one event to one destination, once. A retry, whose former event was delivered there, is neither
// delivered nor noted.
func (d *Dispatch) Handle(ctx context.Context, env messages.Envelope, e messages.DispatchRequested) error {
	destination, ok := d.rules.Destination(e.Destination)
	if !ok {
		return messages.Permanent(messages.ReasonRefused, errors.New("the destination is no longer configured"))
	}
	if e.Internal && !destination.Internal { // it asked for internal notes when the event was routed
		return messages.Permanent(messages.ReasonRefused, errors.New("the destination no longer takes internal notes"))
	}
	done, err := d.store.Dispatched(ctx, env.ID)
	if !done && err == nil {
		done, err = d.isRetry(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("look up dispatch: %w", err)
	}
	if done {
		return nil
	}
	if !d.unnoted.Contains(env.ID) { // else only its note is missing: the store was down
		if err := d.deliver(ctx, destination, env, e); err != nil {
			return err
		}
	}
	return d.note(ctx, env.ID, destination.Name)
}

// isRetry reports whether the former event was delivered to the destination.
func (d *Dispatch) isRetry(ctx context.Context, e messages.DispatchRequested) (bool, error) {
	former := e.FormerID()
	if former == "" || d.unnoted.Contains(former) {
		return former != "", nil
	}
	return d.store.Dispatched(ctx, former)
}

// deliver hands the event over.
func (d *Dispatch) deliver(ctx context.Context, to rules.Destination, env messages.Envelope, e messages.DispatchRequested) error {
	switch to.Type {
	case rules.Webhook:
		return d.post(ctx, to, env.ID, e.Event)
	case rules.Log:
		d.tell(ctx, e)
	}
	return nil
}

// tell is the destination "log".
func (d *Dispatch) tell(ctx context.Context, e messages.DispatchRequested) {
	d.log.LogAttrs(ctx, slog.LevelInfo, "event",
		slog.String("event_id", e.Event.ID),
		slog.String("event_type", string(e.Event.Type)),
		slog.String("channel", e.Channel),
		slog.String("org", e.Org),
		slog.String("livechat", e.LiveChat),
		slog.String("chat_id", e.ChatID),
		slog.String("destination", e.Destination),
		slog.String("rule", e.Rule),
	)
}

// noteTimeout is for a write that takes milliseconds and may meet a busy disk.
const noteTimeout = 5 * time.Second

// note marks the delivery even when the process has begun to stop: what was posted and not noted is posted again after
// a restart. Until then it is remembered, so that an outage of the store repeats the note and not the delivery.
func (d *Dispatch) note(ctx context.Context, eventID, destination string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	err := d.store.MarkDispatched(ctx, eventID, destination, d.now())
	if err == nil {
		d.unnoted.Remove(eventID)
		return nil
	}
	d.unnoted.Add(eventID, struct{}{})
	if errors.Is(err, context.DeadlineExceeded) { // nothing but the store had the time
		err = messages.Unavailable(err)
	}
	return fmt.Errorf("note dispatch: %w", err)
}
