package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// AckWait is the lease of a delivery, to be handed to lanes.Config.Lease. Its end breaks the order of a lane, because
	// the server then delivers the message behind its followers; so it is as long as it may be. The work of a dead
	// process comes back by the pin, within pinnedTTL, and a gap in the deliveries is seen at once. Left for AckWait
	// is a lost delivery with nothing behind it. The engine extends at half: the broker may be away for 5 minutes,
	// while 12 attempts and every restart take seconds.
	AckWait = 10 * time.Minute

	// pinnedTTL is how long a durable stays with an owner that asks for nothing: the time until another process takes
	// over from a killed one. Owners send a sign of life every pinnedTTL/6, so five in a row must fail or be late.
	pinnedTTL = 3 * time.Second

	// ownerGroup is the one priority group of every durable.
	ownerGroup = "owner"

	// probeDurable makes the event stream keep the probe message of Health. No queue name starts with "_".
	probeDurable = "_probe"

	// deadLetterAge is how long a dead letter can be looked at and redriven.
	deadLetterAge = 14 * 24 * time.Hour
)

func (b *Bus) provision(ctx context.Context, cfg Config) error {
	var err error
	b.events, err = b.ensureStream(ctx, jetstream.StreamConfig{
		Name:        b.names.events(),
		Subjects:    []string{b.names.event("*"), b.names.redrive("*"), b.names.probe()},
		Retention:   jetstream.InterestPolicy,
		Storage:     jetstream.FileStorage,
		Replicas:    cfg.Replicas,
		AllowRollup: true, // the probe replaces its predecessor
		AllowDirect: true, // bodies are read again without going through the API queue
	})
	if err != nil {
		return err
	}
	for _, q := range cfg.Queues {
		if err := b.ensureQueue(ctx, q); err != nil {
			return err
		}
	}
	if _, err := b.events.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: probeDurable, FilterSubject: b.names.probe(),
		AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverNewPolicy,
	}); err != nil {
		return fmt.Errorf("make consumer %s: %w", probeDurable, err)
	}
	b.dead, err = b.ensureStream(ctx, jetstream.StreamConfig{
		Name:        b.names.dead(),
		Subjects:    []string{b.names.deadLetter("*"), b.names.deadProbe()},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		MaxAge:      deadLetterAge,
		Replicas:    cfg.Replicas,
		AllowRollup: true,
		AllowDirect: true,
	})
	if err != nil {
		return err
	}
	return b.warnOfStrays(ctx)
}

// ensureStream leaves what an operator may have tuned on an existing stream (replicas, placement, limits) as it is.
func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := b.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		// Several processes start at once; creating the same stream twice is no error.
		stream, err = b.js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("make stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	if have.Retention != want.Retention || have.Storage != want.Storage {
		return nil, fmt.Errorf("make stream %s: one with other retention or storage stands there", want.Name)
	}
	update := have
	update.AllowRollup, update.AllowDirect = true, true
	for _, s := range want.Subjects {
		if !slices.Contains(update.Subjects, s) {
			update.Subjects = append(slices.Clone(update.Subjects), s)
		}
	}
	if slices.Equal(update.Subjects, have.Subjects) && have.AllowRollup && have.AllowDirect {
		return stream, nil
	}
	if stream, err = b.js.UpdateStream(ctx, update); err != nil {
		return nil, fmt.Errorf("update stream %s: %w", want.Name, err)
	}
	return stream, nil
}

// ensureQueue makes the durable of q or gives it the topics that q has now.
func (b *Bus) ensureQueue(ctx context.Context, q Queue) error {
	if _, err := b.events.CreateOrUpdateConsumer(ctx, b.durable(q)); err != nil {
		return fmt.Errorf("make consumer %s: %w", q.Name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[q.Name] = q
	for _, t := range q.Topics {
		b.topics[t] = struct{}{}
	}
	return nil
}

func (b *Bus) durable(q Queue) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:        q.Name,
		FilterSubjects: b.filters(q),
		DeliverPolicy:  jetstream.DeliverNewPolicy, // a worker added later starts with the present
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        AckWait,
		MaxDeliver:     -1, // attempts are counted by the router, not by deliveries
		MaxAckPending:  -1, // a hot lane holds receipts without bound; lanes.Config bounds them
		PriorityPolicy: jetstream.PriorityPolicyPinned,
		PriorityGroups: []string{ownerGroup},
		PinnedTTL:      pinnedTTL,
	}
}

func (b *Bus) filters(q Queue) []string {
	subjects := make([]string, 0, len(q.Topics)+1)
	for _, t := range q.Topics {
		subjects = append(subjects, b.names.event(t))
	}
	return append(subjects, b.names.redrive(q.Name))
}

// warnOfStrays names the durables that nobody consumes any more: each keeps every event of its topics on disk. They are
// not deleted here, because during a rolling update the older release still needs them.
func (b *Bus) warnOfStrays(ctx context.Context) error {
	lister := b.events.ConsumerNames(ctx)
	for name := range lister.Name() {
		if _, err := b.queue(name); err != nil && name != probeDurable {
			b.log.Warn("consumer is not in the queue table and keeps its backlog", "queue", name)
		}
	}
	if err := lister.Err(); err != nil {
		return fmt.Errorf("list consumers: %w", err)
	}
	return nil
}
