package amazon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

// The reasons of dead letters that no worker set aside.
const (
	// ReasonCrashLoop is that of what SQS moved, because it was received a hundred times and never settled. Whoever
	// received it died before it could say why.
	ReasonCrashLoop = "crash_loop"
	// ReasonUndelivered is that of what SNS could not put into the worker's queue.
	ReasonUndelivered = "undelivered"
)

// DeadLetters are what workers gave up, for 14 days, each queue's in a dead-letter queue of its own.
//
// SQS shows nothing without receiving it. So List, Get, Redrive and Purge receive what the queue holds, hide it from
// others while they look, and hand it back at the end; if they are killed, it comes back after two minutes. Of two
// that look at the same time each sees a part. A look ends with a wait of a second on the empty queue.
type DeadLetters struct{ bus *Bus }

var _ message.Publisher = (*DeadLetters)(nil)

// DeadLetters returns the dead letters of the bus.
func (b *Bus) DeadLetters() *DeadLetters { return &DeadLetters{b} }

// Publish sets messages aside. The topic is the name of the queue that they come from. It returns nil once SQS has
// confirmed them, and the errors of Publisher.Publish.
func (d *DeadLetters) Publish(queue string, msgs ...*message.Message) error {
	if err := d.known(queue); err != nil {
		return messages.Permanent(messages.ReasonUnrouted, fmt.Errorf("set message aside: %w", err))
	}
	name := d.bus.names.deadQueue(queue)
	to, err := d.bus.queueBatcher(name)
	if err != nil {
		return fmt.Errorf("set message aside: %w", err)
	}
	return d.bus.publish(to, name, msgs, func(e *entry) {
		if d.bus.cfg.FIFO {
			// An event that dies again within five minutes must not be swallowed as a duplicate. And a group of its
			// own: of one group SQS shows no more than ten messages to somebody who looks.
			e.dedup = rand.Text()
			e.group = e.dedup
		}
	})
}

// Close implements message.Publisher; the bus is closed by its owner.
func (d *DeadLetters) Close() error { return nil }

// known reports a queue that is not in the table as one without dead letters.
func (d *DeadLetters) known(queue string) error {
	if !slices.ContainsFunc(d.bus.cfg.Queues, func(q Queue) bool { return q.Name == queue }) {
		return fmt.Errorf("queue %q is not in the table: %w", queue, bus.ErrNoDeadLetter)
	}
	return nil
}

// List returns at most limit dead letters of the queue, oldest first among those that SQS showed.
func (d *DeadLetters) List(ctx context.Context, queue string, limit int) ([]bus.DeadLetter, error) {
	w, err := d.walk(ctx, queue)
	if err != nil {
		return nil, err
	}
	defer w.handBack()
	var found []*letter
	for batch, err := range w.batches(ctx, limit) {
		if err != nil {
			return nil, err
		}
		found = append(found, batch...)
		letGo(batch...)
	}
	slices.SortStableFunc(found, func(a, b *letter) int { return a.sent.Compare(b.sent) })
	list := make([]bus.DeadLetter, len(found))
	for i, l := range found {
		list[i] = l.DeadLetter
	}
	return list, nil
}

// Get returns one dead letter with its message, whose body is what somebody wrote. The error is bus.ErrNoDeadLetter
// when the queue has none with this id.
func (d *DeadLetters) Get(ctx context.Context, queue, id string) (bus.DeadLetter, *message.Message, error) {
	w, err := d.walk(ctx, queue)
	if err != nil {
		return bus.DeadLetter{}, nil, err
	}
	defer w.handBack()
	found, err := w.find(ctx, []string{id})
	if err != nil {
		return bus.DeadLetter{}, nil, err
	}
	l := found[id]
	if l == nil {
		return bus.DeadLetter{}, nil, noLetter(queue, id)
	}
	msg, err := d.bus.decode(ctx, &l.raw)
	if err != nil {
		return bus.DeadLetter{}, nil, err
	}
	return l.DeadLetter, msg, nil
}

// Purge deletes the given dead letters of the queue, or all of them when none is given, and returns how many it deleted.
func (d *DeadLetters) Purge(ctx context.Context, queue string, ids ...string) (int, error) {
	w, err := d.walk(ctx, queue)
	if err != nil {
		return 0, err
	}
	defer w.handBack()
	deleted := 0
	err = w.each(ctx, ids, func(batch []*letter) error {
		n, err := w.remove(ctx, batch)
		deleted += n
		return err
	})
	return deleted, err
}

// remove deletes dead letters; that somebody else did meanwhile is no error.
func (w *walk) remove(ctx context.Context, letters []*letter) (int, error) {
	changes := make([]change, len(letters))
	for i, l := range letters {
		changes[i] = change{handle: l.receipt.handle}
	}
	deleted := 0
	var failed error
	for i, err := range settled(w.bus.change(ctx, w.url, changes)) {
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("delete dead letter %s: %w", letters[i].ID, err))
			continue
		}
		letters[i].gone = true
		deleted++
	}
	return deleted, failed
}

func noLetter(queue, id string) error {
	return fmt.Errorf("dead letter %s of %s: %w", id, queue, bus.ErrNoDeadLetter)
}
