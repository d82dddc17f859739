package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

const (
	// publishTimeout is for messages whose context has no deadline. LiveChat waits about 10 s for an answer.
	publishTimeout = 3 * time.Second
	// publishConcurrency is how many messages of one batch are under way at once; 64 share about as many fsyncs as
	// 8,000 would.
	publishConcurrency = 64
	// 20 attempts a second for 50 s outlast every deadline, which is the real bound.
	publishRetryWait, publishRetries = 50 * time.Millisecond, 1000
)

// Publisher is a Watermill publisher to the event streams. It is safe for concurrent use.
//
// Messages carry no Nats-Msg-Id: the server's window of duplicates is minutes, a LiveChat retry comes hours later, and
// idempotency is a property of the store's write.
type Publisher struct{ bus *Bus }

var _ message.Publisher = (*Publisher)(nil)

// Publisher returns a publisher on the bus. Closing it does nothing; the bus is closed by its owner.
func (b *Bus) Publisher() *Publisher { return &Publisher{b} }

// Publish returns nil once the broker has every message on disk. Each message is bound by the deadline of its context,
// else by 3 s. A message enters the stream only after its predecessor in the same lane is confirmed, or together with it;
// otherwise a half-failed batch would leave the later one of a lane accepted and the earlier one lost. Messages of
// different lanes go side by side. After the first error nothing new is sent, and some of the messages may be in the stream; publishing all
// of them again is right, because events are idempotent. Errors are messages.Unavailable, except for a topic that no queue
// has and for a message that is too large, which are permanent.
func (p *Publisher) Publish(topic string, msgs ...*message.Message) error {
	stream, ok := p.bus.streamOf(topic)
	if !ok {
		// The stream would acknowledge the message, and nobody would ever see it.
		return messages.Permanent(messages.ReasonUnrouted, fmt.Errorf("publish to %s: no queue has this topic", topic))
	}
	batch := make([]outgoing, len(msgs))
	for i, msg := range msgs {
		var err error
		if batch[i], err = p.bus.prepare(stream, p.bus.names.event(stream, topic), msg); err != nil {
			return err
		}
	}
	return p.bus.publish(batch)
}

// Close implements message.Publisher.
func (p *Publisher) Close() error { return nil }

type outgoing struct {
	ctx    context.Context
	lane   string
	stream string // that must take it
	msg    *nats.Msg
}

func (b *Bus) prepare(stream, subject string, msg *message.Message) (outgoing, error) {
	m, err := encode(subject, msg)
	if err != nil {
		return outgoing{}, messages.Permanent(messages.ReasonUndecodable, err)
	}
	return outgoing{msg.Context(), laneOf(msg, subject), b.names.stream(stream), m}, nil
}

// laneOf is the partition key of a message; without one, the subject is a single lane.
func laneOf(msg *message.Message, subject string) string {
	if lane := msg.Metadata.Get(bus.MetadataLane); lane != "" {
		return lane
	}
	return subject
}

// publish sends wave after wave: the n-th wave has the n-th message of every lane. Where that would be many waves, all goes
// as atomic batches.
func (b *Bus) publish(batch []outgoing) error {
	if len(batch) == 1 { // nearly every webhook
		return b.publishOne(batch[0])
	}
	var waves [][]outgoing
	sent := make(map[string]int)
	for _, o := range batch {
		n := sent[o.lane]
		sent[o.lane]++
		if n == len(waves) {
			waves = append(waves, nil)
		}
		waves[n] = append(waves[n], o)
	}
	if len(waves) >= longLane {
		return b.publishAtomic(batch)
	}
	for _, wave := range waves {
		if len(wave) == 1 {
			if err := b.publishOne(wave[0]); err != nil {
				return err
			}
			continue
		}
		var group errgroup.Group
		group.SetLimit(publishConcurrency)
		for _, o := range wave {
			group.Go(func() error { return b.publishOne(o) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) publishOne(o outgoing) error {
	ctx, cancel := withPublishTimeout(o.ctx)
	defer cancel()
	ack, err := b.untilAcknowledged(ctx, o.msg)
	switch {
	case err != nil:
		return unpublished(o.msg.Subject, err)
	case ack.Stream != o.stream:
		return messages.Unavailable(fmt.Errorf("publish to %s: stream %s took it", o.msg.Subject, ack.Stream))
	}
	return nil
}

// withPublishTimeout bounds a publish whose caller has not.
func withPublishTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, publishTimeout)
}

// unpublished says what a failed publish means: a message that is too large stays so, all else may pass.
func unpublished(subject string, err error) error {
	err = fmt.Errorf("publish to %s: %w", subject, err)
	if errors.Is(err, nats.ErrMaxPayload) {
		return messages.Permanent("too_large", err)
	}
	return messages.Unavailable(err)
}

// untilAcknowledged sends m again when the connection broke, which may make it come twice: what was under way is in
// the stream, in the buffer of the reconnecting client, or nowhere.
func (b *Bus) untilAcknowledged(ctx context.Context, m *nats.Msg) (*jetstream.PubAck, error) {
	for {
		attempt, cancel := b.untilDisconnect(ctx)
		// While the server restarts nobody listens on the subject for a moment.
		ack, err := b.js.PublishMsg(attempt, m, jetstream.WithRetryAttempts(publishRetries), jetstream.WithRetryWait(publishRetryWait))
		again := err != nil && errors.Is(context.Cause(attempt), errDisconnected) && ctx.Err() == nil && !b.nc.IsClosed()
		cancel()
		if !again {
			return ack, err
		}
	}
}
