package amazon

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// publishTimeout is for messages whose context has no deadline. LiveChat waits about 10 s for an answer.
const publishTimeout = 3 * time.Second

// Publisher is a Watermill publisher to the topics. It is safe for concurrent use.
type Publisher struct {
	bus *Bus

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

var _ message.Publisher = (*Publisher)(nil)

// Publisher returns a publisher on the bus.
func (b *Bus) Publisher() *Publisher { return &Publisher{bus: b} }

// Publish returns nil once SNS has confirmed every message. Each is bound by the deadline of its context, else by 3 s for
// every 160 messages of the call. After an error some of them may be out, and nothing new of this call is sent; to publish
// all of them again is right, because events are idempotent. Under FIFO the messages of a lane go one after the other,
// whoever publishes them. Errors are messages.Unavailable, except for a topic that no queue has and for what SNS will
// never take, which are permanent.
func (p *Publisher) Publish(topic string, msgs ...*message.Message) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return messages.Unavailable(fmt.Errorf("publish to %s: %w", topic, errClosed))
	}
	p.calls.Add(1)
	p.mu.Unlock()
	defer p.calls.Done()
	to, err := p.bus.topicBatcher(topic)
	if err != nil {
		return err
	}
	return p.bus.publish(to, topic, msgs, nil)
}

// Close waits for the calls of Publish under way. The bus stays open for others.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.calls.Wait()
	return nil
}

// sendToQueue puts messages into one queue, given by its full name, past the topics: dead letters and redrives. It
// returns nil once SQS has confirmed all, and the errors of Publisher.Publish. Under FIFO every call has deduplication
// IDs of its own: within five minutes SQS would swallow what was sent to the queue before.
func (b *Bus) sendToQueue(queue string, msgs ...*message.Message) error {
	to, err := b.queueBatcher(queue)
	if err != nil {
		return err
	}
	return b.publish(to, queue, msgs, func(e *entry) {
		if e.dedup != "" {
			e.dedup = rand.Text()
		}
	})
}

// publish encodes messages and waits until all are confirmed.
func (b *Bus) publish(to *batcher, name string, msgs []*message.Message, change func(*entry)) error {
	// What has no deadline of its own gets 3 s for every 160 messages, which is what may be under way at once.
	usual := publishTimeout * time.Duration(1+len(msgs)/(maxBatch*maxCalls))
	entries := make([]entry, len(msgs))
	for i, msg := range msgs {
		ctx := msg.Context()
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, usual)
			defer cancel()
		}
		e, err := b.encode(ctx, msg, name)
		if err != nil {
			return fmt.Errorf("publish to %s: %w", name, err)
		}
		if change != nil {
			change(&e)
		}
		entries[i] = e
	}
	return to.publish(entries)
}

// topicBatcher finds or makes the batcher of a topic.
func (b *Bus) topicBatcher(topic string) (*batcher, error) {
	return b.batcher("topic "+topic, maxMessage, func() (sendFunc, error) {
		if !slices.ContainsFunc(b.cfg.Queues, func(q Queue) bool { return slices.Contains(q.Topics, topic) }) {
			// SNS would confirm the message, and nobody would ever see it.
			err := fmt.Errorf("publish to %s: no queue has this topic", topic)
			return nil, messages.Permanent(messages.ReasonUnrouted, err)
		}
		arn, err := b.topicARN(context.Background(), topic) // made from the account's number, without a call
		if err != nil {
			return nil, messages.Unavailable(err)
		}
		return b.toTopic(arn), nil
	})
}

// queueBatcher finds or makes the batcher of a queue.
func (b *Bus) queueBatcher(queue string) (*batcher, error) {
	return b.batcher("queue "+queue, maxQueueBatch, func() (sendFunc, error) {
		ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
		defer cancel()
		url, err := b.queueURL(ctx, queue)
		if err != nil {
			return nil, messages.Unavailable(err)
		}
		return b.toQueue(url), nil
	})
}

// batchers are what a bus publishes through, one for each topic and queue.
type batchers struct {
	mu     sync.Mutex
	byName map[string]*batcher
}

func (b *Bus) batcher(name string, bytes int, open func() (sendFunc, error)) (*batcher, error) {
	b.batchers.mu.Lock()
	to := b.batchers.byName[name]
	b.batchers.mu.Unlock()
	if to != nil {
		return to, nil
	}
	send, err := open() // without the lock: it may ask AWS
	if err != nil {
		return nil, err
	}
	b.batchers.mu.Lock()
	defer b.batchers.mu.Unlock()
	if to := b.batchers.byName[name]; to != nil {
		return to, nil
	}
	to = newBatcher(name, send, bytes, b.cfg.PublishLinger, b.cfg.FIFO)
	if b.batchers.byName == nil {
		b.batchers.byName = make(map[string]*batcher)
	}
	b.batchers.byName[name] = to
	return to, nil
}

// closeTimeout bounds Close; callers wait 3 s for their messages.
const closeTimeout = 5 * time.Second

// Close sends what waits to be published and refuses what comes later. Sources have to be closed before.
func (b *Bus) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	b.batchers.mu.Lock()
	open := b.batchers.byName
	b.batchers.mu.Unlock()
	for _, to := range open {
		if err := to.close(ctx); err != nil {
			return err
		}
	}
	return nil
}
