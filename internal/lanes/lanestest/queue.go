// Package lanestest has a queue in memory for tests of what runs on the engine.
package lanestest

import (
	"cmp"
	"context"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/lanes"
)

// Queue is a lanes.Source that holds what a test puts in and counts what is acknowledged. Nothing comes twice: what is not
// acknowledged is lost.
type Queue struct {
	mu      sync.Mutex
	pending []lanes.Delivery
	acked   int
	added   chan struct{}
}

var _ lanes.Source = (*Queue)(nil)

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{added: make(chan struct{}, 1)} }

// Put adds messages. One without a lane has a lane of its own.
func (q *Queue) Put(msgs ...*message.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, msg := range msgs {
		q.pending = append(q.pending, lanes.Delivery{
			Message: msg, Receipt: msg.UUID, Key: cmp.Or(msg.Metadata.Get(bus.MetadataLane), msg.UUID), Size: len(msg.Payload),
		})
	}
	select {
	case q.added <- struct{}{}:
	default:
	}
}

// Acked is how many messages were acknowledged.
func (q *Queue) Acked() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.acked
}

// Fetch implements lanes.Source.
func (q *Queue) Fetch(ctx context.Context, limit int) ([]lanes.Delivery, error) {
	for {
		q.mu.Lock()
		n := min(limit, len(q.pending))
		batch := q.pending[:n:n]
		q.pending = q.pending[n:]
		q.mu.Unlock()
		if n > 0 {
			return batch, nil
		}
		select {
		case <-q.added:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Settle implements lanes.Source.
func (q *Queue) Settle(_ context.Context, batch []lanes.Settlement) []error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range batch {
		if s.Action == lanes.Ack {
			q.acked++
		}
	}
	return nil
}

// Extend implements lanes.Source.
func (q *Queue) Extend(context.Context, []lanes.Receipt) []error { return nil }
