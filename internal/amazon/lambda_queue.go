package amazon

import (
	"context"
	"sync"

	"github.com/livepipe/livepipe/internal/lanes"
)

// lambdaQueue is the queue of one worker inside a Lambda function: it has what the invocations bring. Lambda starts the
// next one when this one has answered, so it never holds more than 6 MB, the most that a batch may have.
type lambdaQueue struct {
	news chan struct{}

	mu      sync.Mutex
	waiting []lanes.Delivery
	closed  bool
}

var _ lanes.Source = (*lambdaQueue)(nil)

func newLambdaQueue() *lambdaQueue { return &lambdaQueue{news: make(chan struct{}, 1)} }

// give adds what an invocation brings. When the engine has stopped it fails at once.
func (q *lambdaQueue) give(batch []lanes.Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, batch...)
	if q.closed {
		q.fail()
		return
	}
	q.wake()
}

// wake lets Fetch look again.
func (q *lambdaQueue) wake() {
	select {
	case q.news <- struct{}{}:
	default: // it has not seen the last sign yet
	}
}

// Fetch implements lanes.Source.
func (q *lambdaQueue) Fetch(ctx context.Context, limit int) ([]lanes.Delivery, error) {
	for {
		if batch := q.take(limit); len(batch) > 0 {
			return batch, nil
		}
		select {
		case <-q.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take removes the next deliveries. A lane that limit tears apart goes on when the engine has settled the first part:
// only then is it known whether the second may follow.
func (q *lambdaQueue) take(limit int) []lanes.Delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch, waiting []lanes.Delivery
	torn := map[*lambdaLane]bool{}
	for _, d := range q.waiting {
		r := d.Receipt.(*lambdaRecord)
		if _, seen := torn[r.lane]; !seen {
			torn[r.lane] = r.batch.torn(r.lane)
		}
		switch {
		case len(batch) == limit || torn[r.lane]:
			waiting = append(waiting, d)
		case r.batch.admit(r):
			batch = append(batch, d)
		}
	}
	q.waiting = waiting
	return batch
}

// Settle notes the outcomes for the answer. Lambda itself deletes what the answer does not name.
func (q *lambdaQueue) Settle(_ context.Context, batch []lanes.Settlement) []error {
	for _, s := range batch {
		r := s.Receipt.(*lambdaRecord)
		if s.Action == lanes.Ack {
			r.batch.settle(r, recordHandled)
		} else {
			r.batch.delay(r, s.After)
		}
	}
	q.wake()
	return nil
}

// Extend has nothing to do: the queue hides a message for longer than a function may run.
func (q *lambdaQueue) Extend(context.Context, []lanes.Receipt) []error { return nil }

// Close fails what the engine did not fetch, and what comes later.
func (q *lambdaQueue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.fail()
	return nil
}

func (q *lambdaQueue) fail() {
	for _, d := range q.waiting {
		r := d.Receipt.(*lambdaRecord)
		r.batch.settle(r, recordFailed)
	}
	q.waiting = nil
}
