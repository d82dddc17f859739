package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

// DeadLetters keeps what a worker gave up, for 14 days, by queue.
type DeadLetters struct{ bus *Bus }

var _ message.Publisher = (*DeadLetters)(nil)

// DeadLetters returns the dead letters of the bus.
func (b *Bus) DeadLetters() *DeadLetters { return &DeadLetters{b} }

// Publish sets messages aside. The topic is the name of the queue that they come from. It returns nil once they are on
// disk, and the errors of Publisher.Publish.
func (d *DeadLetters) Publish(queue string, msgs ...*message.Message) error {
	if _, err := d.bus.queue(queue); err != nil {
		return messages.Permanent(messages.ReasonUnrouted, fmt.Errorf("set message aside: %w", err))
	}
	batch := make([]outgoing, len(msgs))
	for i, msg := range msgs {
		var err error
		if batch[i], err = d.bus.prepare(deadLetters, d.bus.names.deadLetter(queue), msg); err != nil {
			return err
		}
	}
	return d.bus.publish(batch)
}

func (d *DeadLetters) stream() jetstream.Stream { return d.bus.streams[deadLetters] }

// Close implements message.Publisher; the bus is closed by its owner.
func (d *DeadLetters) Close() error { return nil }

// List returns at most limit dead letters of the queue, oldest first.
func (d *DeadLetters) List(ctx context.Context, queue string, limit int) ([]bus.DeadLetter, error) {
	var list []bus.DeadLetter
	after := uint64(0)
	for len(list) < limit {
		raw, err := d.next(ctx, queue, after+1)
		if errors.Is(err, bus.ErrNoDeadLetter) {
			break
		}
		if err != nil {
			return nil, err
		}
		list = append(list, describe(queue, raw))
		after = raw.Sequence
	}
	return list, nil
}

// Get returns one dead letter with its message, whose body is what somebody wrote. The error is bus.ErrNoDeadLetter
// when the queue has none with this id.
func (d *DeadLetters) Get(ctx context.Context, queue, id string) (bus.DeadLetter, *message.Message, error) {
	raw, err := d.at(ctx, queue, sequence(id))
	if err != nil {
		return bus.DeadLetter{}, nil, err
	}
	return describe(queue, raw), decodeRaw(raw), nil
}

// Purge deletes the given dead letters of the queue, or all of them when none is given, and returns how many it deleted.
func (d *DeadLetters) Purge(ctx context.Context, queue string, ids ...string) (int, error) {
	deleted := 0
	remove := func(raw *jetstream.RawStreamMsg) error {
		if err := d.remove(ctx, queue, raw.Sequence); err != nil {
			return err
		}
		deleted++
		return nil
	}
	err := d.each(ctx, queue, ids, remove)
	return deleted, err
}

// remove deletes one dead letter; that somebody else did meanwhile is no error.
func (d *DeadLetters) remove(ctx context.Context, queue string, seq uint64) error {
	err := d.stream().DeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, gone := d.at(ctx, queue, seq); errors.Is(gone, bus.ErrNoDeadLetter) {
		return nil
	}
	return fmt.Errorf("delete dead letter %d: %w", seq, err)
}

// each visits the dead letters with the given ids, or all when there are none given.
func (d *DeadLetters) each(ctx context.Context, queue string, ids []string, visit func(*jetstream.RawStreamMsg) error) error {
	if len(ids) == 0 {
		return d.walk(ctx, queue, visit)
	}
	for _, id := range ids {
		raw, err := d.at(ctx, queue, sequence(id))
		if err != nil {
			return err
		}
		if err := visit(raw); err != nil {
			return err
		}
	}
	return nil
}

// walk visits the dead letters that are there now; one that comes back meanwhile is not visited again.
func (d *DeadLetters) walk(ctx context.Context, queue string, visit func(*jetstream.RawStreamMsg) error) error {
	// A handle of its own: Info writes to the handle that it is asked of, and d's is everybody's.
	now, err := d.bus.js.Stream(ctx, d.bus.names.stream(deadLetters))
	if err != nil {
		return fmt.Errorf("look at dead letters: %w", err)
	}
	for seq := uint64(1); ; {
		raw, err := d.next(ctx, queue, seq)
		if errors.Is(err, bus.ErrNoDeadLetter) {
			return nil
		}
		if err != nil {
			return err
		}
		if raw.Sequence > now.CachedInfo().State.LastSeq {
			return nil
		}
		if err := visit(raw); err != nil {
			return err
		}
		seq = raw.Sequence + 1
	}
}

// next finds the first dead letter of the queue from seq on.
func (d *DeadLetters) next(ctx context.Context, queue string, seq uint64) (*jetstream.RawStreamMsg, error) {
	if !token.MatchString(queue) { // a wildcard would show every queue's
		return nil, fmt.Errorf("dead letters of %q: %w", queue, bus.ErrNoDeadLetter)
	}
	raw, err := d.stream().GetMsg(ctx, seq, jetstream.WithGetMsgSubject(d.bus.names.deadLetter(queue)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("dead letters of %s: %w", queue, bus.ErrNoDeadLetter)
	}
	if err != nil {
		return nil, fmt.Errorf("read dead letters of %s: %w", queue, err)
	}
	return raw, nil
}

func (d *DeadLetters) at(ctx context.Context, queue string, seq uint64) (*jetstream.RawStreamMsg, error) {
	raw, err := d.next(ctx, queue, seq)
	if err != nil {
		return nil, err
	}
	if raw.Sequence != seq {
		return nil, fmt.Errorf("dead letter %d of %s: %w", seq, queue, bus.ErrNoDeadLetter)
	}
	return raw, nil
}

func decodeRaw(raw *jetstream.RawStreamMsg) *message.Message {
	return decode(&nats.Msg{Subject: raw.Subject, Header: raw.Header, Data: raw.Data}, raw.Sequence)
}

func describe(queue string, raw *jetstream.RawStreamMsg) bus.DeadLetter {
	return bus.DescribeDead(queue, strconv.FormatUint(raw.Sequence, 10), decodeRaw(raw), raw.Time)
}

// sequence is the number in an id of a dead letter; zero names none.
func sequence(id string) uint64 {
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return 0
	}
	return seq
}
