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
	last   error // of its last try
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
		err := p.ctx.Err()
		if p.last != nil {
			err = fmt.Errorf("%w; last try: %w", err, p.last)
		}
		b.fail(p.of, messages.Unavailable(err))
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

// line puts a new parcel where it waits.
func (b *batcher) line(p *parcel) {
	b.open++
	if b.ordered {
		waiting, busy := b.groups[p.group]
		if busy {
			b.groups[p.group] = append(waiting, p)
			return
		}
		b.groups[p.group] = nil
	}
	b.ready = append(b.ready, p)
}

// dispatch starts every call that may start.
func (b *batcher) dispatch() {
	if b.stale {
		b.sweep()
	}
	for b.calls < maxCalls && len(b.ready) > 0 {
		n, full := b.next()
		if wait := b.patience() - time.Since(b.ready[0].since); !full && wait > 0 {
			b.wakeAfter(wait)
			return
		}
		batch := slices.Clone(b.ready[:n])
		b.ready = slices.Delete(b.ready, 0, n)
		for _, p := range batch {
			p.flying = true
		}
		b.calls++
		go b.fly(batch)
	}
}

// next is how many parcels make the next batch, and whether nothing more fits into it.
func (b *batcher) next() (n int, full bool) {
	size := 0
	for n < len(b.ready) && n < maxBatch {
		p := b.ready[n]
		if size += p.size; n > 0 && (size > b.bytes || p.alone) {
			return n, true
		}
		n++
		if p.alone {
			return n, true
		}
	}
	return n, n == maxBatch
}

func (b *batcher) patience() time.Duration {
	switch {
	case b.closing:
		return 0
	case b.calls == 0:
		return b.linger
	default:
		return max(b.linger, patience)
	}
}

func (b *batcher) wakeAfter(d time.Duration) {
	if b.timer != nil {
		b.timer.Reset(d)
		return
	}
	b.timer = time.AfterFunc(d, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.dispatch()
	})
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
	switch {
	case err == nil, isFinal(err):
		b.end(p, err)
	case p.lost():
		b.end(p, messages.Unavailable(err))
	case errors.Is(err, errAlone):
		p.alone = true
		b.ready = slices.Insert(b.ready, 0, p)
	default:
		p.last = err
		time.AfterFunc(p.delay(), func() { b.again(p) })
	}
}

func isFinal(err error) bool {
	var final *messages.PermanentError
	return errors.As(err, &final)
}

// lost reports whether nobody waits for p any longer.
func (p *parcel) lost() bool { return p.of.failed != nil || p.ctx.Err() != nil }

func (p *parcel) delay() time.Duration {
	if p.delays == nil {
		p.delays = backoff.NewExponentialBackOff()
		p.delays.InitialInterval, p.delays.Multiplier, p.delays.MaxInterval = retryFirst, 2, retryLast
	}
	return p.delays.NextBackOff()
}

// again puts a parcel that has waited after a failure in front: it came first.
func (b *batcher) again(p *parcel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.lost() {
		b.end(p, messages.Unavailable(p.last))
	} else {
		b.ready = slices.Insert(b.ready, 0, p)
	}
	b.dispatch()
}

// end gives a parcel its result, and its group to the next.
func (b *batcher) end(p *parcel, err error) {
	p.ended, p.wire = true, nil
	if err != nil {
		b.fail(p.of, err)
	}
	close(p.done)
	if b.ordered {
		if waiting := b.groups[p.group]; len(waiting) > 0 {
			b.ready = append(b.ready, waiting[0])
			b.groups[p.group] = waiting[1:]
			b.stale = b.stale || waiting[0].of.failed != nil
		} else {
			delete(b.groups, p.group)
		}
	}
	b.open--
	if b.closing && b.open == 0 {
		close(b.drained)
	}
}

// sweep ends the parcels of failed orders. That may bring followers into ready, which are looked at too.
func (b *batcher) sweep() {
	kept := make([]*parcel, 0, len(b.ready))
	for len(b.ready) > 0 {
		p := b.ready[0]
		b.ready = b.ready[1:]
		if p.of.failed != nil {
			b.end(p, p.of.failed)
		} else {
			kept = append(kept, p)
		}
	}
	b.ready, b.stale = kept, false
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
