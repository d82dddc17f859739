package jetstream

import (
	"cmp"
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

	// probeDurable makes an interest stream keep the probe message of Health. No queue name starts with "_".
	probeDurable = "_probe"

	// deadLetterAge is how long a dead letter can be looked at and redriven.
	deadLetterAge = 14 * 24 * time.Hour
)

func (b *Bus) provision(ctx context.Context, cfg Config) error {
	for _, s := range []struct {
		name      string
		retention jetstream.RetentionPolicy
		maxAge    time.Duration
	}{
		// Interest retention writes a tombstone, with an fsync, for each message that is acknowledged, under the lock
		// that publishers wait for. Here nobody may wait for that: trim deletes what all durables have acknowledged,
		// a second's worth at once. It deletes up to the lowest ack floor only. A message holds the floor back while it
		// is tried again, at most 12 times in about 14 minutes, or for an outage of the store, when nothing is
		// acknowledged anyway; what was acknowledged above comes again after a takeover and has no second effect.
		{Events, jetstream.LimitsPolicy, 0},
		// A destination may be down for days and holds the ack floor back all that time. That must neither keep every
		// other dispatch event on disk nor bring them all again at a restart. So what is acknowledged
		// goes one by one, and nobody outside waits for these fsyncs.
		{Dispatch, jetstream.InterestPolicy, 0},
		{deadLetters, jetstream.LimitsPolicy, deadLetterAge},
	} {
		var err error
		b.streams[s.name], err = b.ensureStream(ctx, jetstream.StreamConfig{
			Name:        b.names.stream(s.name),
			Subjects:    []string{b.names.subjects(s.name)},
			Retention:   s.retention,
			MaxAge:      s.maxAge,
			Storage:     jetstream.FileStorage,
			Replicas:    cfg.Replicas,
			AllowRollup: true, // the probe replaces its predecessor
			AllowDirect: true, // bodies are read again without going through the API queue

			AllowAtomicPublish: true, // long lanes go at once
		})
		if err != nil {
			return err
		}
		if s.retention != jetstream.InterestPolicy {
			continue
		}
		if _, err := b.streams[s.name].CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: probeDurable, FilterSubject: b.names.probe(s.name),
			AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverNewPolicy,
		}); err != nil {
			return fmt.Errorf("make consumer %s: %w", probeDurable, err)
		}
	}
	for _, q := range cfg.Queues {
		if err := b.ensureQueue(ctx, q); err != nil {
			return err
		}
	}
	return errors.Join(b.warnOfStrays(ctx, Events), b.warnOfStrays(ctx, Dispatch))
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
	update.AllowRollup, update.AllowDirect, update.AllowAtomicPublish = true, true, true
	for _, s := range want.Subjects {
		if !slices.Contains(update.Subjects, s) {
			update.Subjects = append(slices.Clone(update.Subjects), s)
		}
	}
	if slices.Equal(update.Subjects, have.Subjects) && have.AllowRollup && have.AllowDirect && have.AllowAtomicPublish {
		return stream, nil
	}
	if stream, err = b.js.UpdateStream(ctx, update); err != nil {
		return nil, fmt.Errorf("update stream %s: %w", want.Name, err)
	}
	return stream, nil
}

// ensureQueue makes the durable of q or gives it the topics that q has now.
func (b *Bus) ensureQueue(ctx context.Context, q Queue) error {
	q.Stream = cmp.Or(q.Stream, Events)
	if _, err := b.streams[q.Stream].CreateOrUpdateConsumer(ctx, b.durable(q)); err != nil {
		return fmt.Errorf("make consumer %s: %w", q.Name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[q.Name] = q
	for _, t := range q.Topics {
		b.topics[t] = q.Stream
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
		subjects = append(subjects, b.names.event(q.Stream, t))
	}
	return append(subjects, b.names.redrive(q))
}

// warnOfStrays names the durables that nobody consumes any more: each keeps events on disk, in the event stream all of
// them from the first on that it would want. They are not deleted here, because during a rolling update the older release still needs them.
func (b *Bus) warnOfStrays(ctx context.Context, stream string) error {
	lister := b.streams[stream].ConsumerNames(ctx)
	for name := range lister.Name() {
		if q, err := b.queue(name); (err != nil || q.Stream != stream) && name != probeDurable {
			b.log.Warn("consumer is not in the queue table and keeps its backlog", "stream", stream, "queue", name)
		}
	}
	if err := lister.Err(); err != nil {
		return fmt.Errorf("list consumers: %w", err)
	}
	return nil
}
