package amazon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/livepipe/livepipe/messages"
)

const (
	maxBatch = 10 // entries of a call, the limit of SNS and SQS
	// maxCalls is how many calls to one destination are under way at once: with 20 ms each they are 8,000 entries a
	// second, more than an SNS topic takes in most regions.
	maxCalls = 16
	// callTimeout bounds one call. It leaves room for another try within the 3 s that publishers have.
	callTimeout = 2 * time.Second
	// patience is how long a batch that is not full waits for a call under way to end. An ordinary call takes 10 to
	// 30 ms; one that hangs must not hold up others.
	patience = 50 * time.Millisecond
	// The delay after a failure doubles from the first to the last, half of it random.
	retryFirst, retryLast = 50 * time.Millisecond, time.Second
)

// sendFunc makes one call and returns what became of each entry: nil when it is confirmed, errAlone when the whole call
// was refused and each should be tried alone, messages.PermanentError when no retry helps, else any error.
type sendFunc func(ctx context.Context, batch []entry) []error

// batcher makes calls of ten out of what many callers publish to one topic or queue.
//
// A full batch leaves at once. One that is not full leaves at once too when nothing is under way; otherwise it waits
// until it is full or the calls under way have ended, so that under load batches are full and an idle caller waits for
// nobody. There is no queue beside the callers themselves: each waits for its own entries.
type batcher struct {
	name    string // of the destination, for errors
	send    sendFunc
	bytes   int           // of a call, the limit of the destination
	linger  time.Duration // how long a batch that is not full waits when nothing is under way
	ordered bool          // an entry leaves only after the one before it in its group has ended

	mu      sync.Mutex
	ready   []*parcel            // may leave, in order of arrival
	groups  map[string][]*parcel // ordered: who waits behind the one of the group that is ready, under way or delayed
	calls   int                  // under way
	open    int                  // parcels that have not ended
	stale   bool                 // ready may hold parcels of failed orders
	closing bool
	drained chan struct{} // closed when closing and nothing is open
	timer   *time.Timer   // wakes a batch that is not full, when it has waited long enough
}

// order is what one caller publishes together.
type order struct {
	parcels []parcel
	failed  error // of the first parcel that failed; nothing new leaves then
}

// parcel is one entry, from the call of publish to its end.
type parcel struct {
	entry
	of     *order
	since  time.Time
	done   chan struct{} // closed when it has ended
	ended  bool
	flying bool  // a call with it is under way
	alone  bool  // a call with others was refused as a whole
	last   error // of its last try that says why
	delays *backoff.ExponentialBackOff
}

func newBatcher(name string, send sendFunc, bytes int, linger time.Duration, ordered bool) *batcher {
	return &batcher{
		name: name, send: send, bytes: bytes, linger: linger, ordered: ordered,
		groups: make(map[string][]*parcel), drained: make(chan struct{}),
	}
}

var errClosed = errors.New("the bus is closed")

// publish returns nil once all entries are confirmed. Otherwise it returns the first entry's error that is known: a
// messages.PermanentError for what the destination will never take, else messages.Unavailable. What has not left by then
// never will; what is under way may still arrive.
func (b *batcher) publish(entries []entry) error {
	o := &order{parcels: make([]parcel, len(entries))}
	now := time.Now()
	b.mu.Lock()
	if b.closing {
		b.mu.Unlock()
		return messages.Unavailable(fmt.Errorf("publish to %s: %w", b.name, errClosed))
	}
	for i, e := range entries {
		p := &o.parcels[i]
		*p = parcel{entry: e, of: o, since: now, done: make(chan struct{})}
		b.line(p)
	}
	b.dispatch()
	b.mu.Unlock()
	for i := range o.parcels {
		if err := b.wait(&o.parcels[i]); err != nil {
			return fmt.Errorf("publish to %s: %w", b.name, err)
		}
	}
	return nil
}

// wait returns nil when p is confirmed, else what made its order fail.
func (b *batcher) wait(p *parcel) error {
	select {
	case <-p.done:
	case <-p.ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !p.ended {
		b.fail(p.of, p.loss())
		b.dispatch() // a follower of its group may be free to go
	}
	return p.of.failed
}

// fail keeps the rest of an order from leaving and lets go of the bodies.
func (b *batcher) fail(o *order, err error) {
	if o.failed != nil {
		return
	}
	o.failed = err
	for i := range o.parcels {
		if p := &o.parcels[i]; !p.flying {
			p.wire = nil
		}
	}
	b.stale = true
}

// fly makes one call. Its context is nobody's: the end of one caller must not break the call of the others.
func (b *batcher) fly(batch []*parcel) {
	entries := make([]entry, len(batch))
	deadline := time.Time{}
	for i, p := range batch {
		entries[i] = p.entry
		if d, ok := p.ctx.Deadline(); ok && d.After(deadline) {
			deadline = d
		}
	}
	if latest := time.Now().Add(callTimeout); deadline.IsZero() || latest.Before(deadline) {
		deadline = latest
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	errs := b.send(ctx, entries)
	cancel()

	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls--
	for i, p := range batch {
		b.land(p, errs[i])
	}
	b.dispatch()
}

// land takes what became of a parcel in a call.
func (b *batcher) land(p *parcel, err error) {
	p.flying = false
	if err == nil || isFinal(err) {
		b.end(p, err)
		return
	}
	// A try that time has cut short does not say why; an earlier one may have.
	if p.last == nil || !errors.Is(err, context.DeadlineExceeded) {
		p.last = err
	}
	switch {
	case p.lost():
		b.end(p, p.loss())
	case errors.Is(err, errAlone):
		p.alone = true
		b.ready = slices.Insert(b.ready, 0, p)
	default:
		time.AfterFunc(p.delay(), func() { b.again(p) })
	}
}

func isFinal(err error) bool {
	var final *messages.PermanentError
	return errors.As(err, &final)
}

// lost reports whether nobody waits for p any longer.
func (p *parcel) lost() bool { return p.of.failed != nil || p.ctx.Err() != nil }

// loss is why p is lost: its order has failed, or the time of its caller is over.
func (p *parcel) loss() error {
	err := p.ctx.Err()
	switch {
	case p.of.failed != nil:
		return p.of.failed
	case p.last != nil:
		err = fmt.Errorf("%w; last try: %w", err, p.last)
	}
	return messages.Unavailable(err)
}

func (p *parcel) delay() time.Duration {
	if p.delays == nil {
		p.delays = backoff.NewExponentialBackOff()
		p.delays.InitialInterval, p.delays.Multiplier, p.delays.MaxInterval = retryFirst, 2, retryLast
	}
	return p.delays.NextBackOff()
}

// close sends what waits, without delay, and returns when every parcel has ended or ctx has.
func (b *batcher) close(ctx context.Context) error {
	b.mu.Lock()
	if !b.closing {
		b.closing = true
		if b.open == 0 {
			close(b.drained)
		}
		b.dispatch()
	}
	b.mu.Unlock()
	select {
	case <-b.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("flush %s: %w", b.name, ctx.Err())
	}
}
