package lanes

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// owner is a queue as one process sees it.
type owner struct {
	q      *queue
	id     int
	failed bool // the last fetch
}

func (o *owner) call(what string, fault func() error) error {
	time.Sleep(o.q.latency)
	if fault != nil {
		if err := fault(); err != nil {
			return err
		}
	}
	o.q.mu.Lock()
	defer o.q.mu.Unlock()
	o.q.calls[what]++
	if o.id <= o.q.dead || o.q.kind.takeover && o.q.owner != o.id {
		return errFenced
	}
	return nil
}

func (o *owner) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	for {
		if err := o.call("fetch", o.q.faults.fetch); err != nil {
			o.failed = true
			return nil, err
		}
		if o.failed {
			o.failed = false
			return nil, nil
		}
		o.q.mu.Lock()
		now := time.Now()
		next := o.q.show(now)
		batch, changed := o.q.take(limit), o.q.changed
		o.q.mu.Unlock()
		if len(batch) > 0 {
			return batch, nil
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = next.Sub(now)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (o *owner) Settle(_ context.Context, batch []Settlement) []error {
	fenced := o.call("settle", nil)
	errs := make([]error, len(batch))
	for i, s := range batch {
		errs[i] = fenced
		if errs[i] == nil && o.q.faults.settle != nil {
			errs[i] = o.q.faults.settle()
		}
		lost := s.Action == Ack && o.q.faults.lose != nil && o.q.faults.lose()
		if errs[i] == nil && !lost {
			errs[i] = o.q.settle(s)
		}
	}
	return errs
}

func (o *owner) Extend(_ context.Context, batch []Receipt) []error {
	fenced := o.call("extend", nil)
	errs := make([]error, len(batch))
	for i, r := range batch {
		errs[i] = fenced
		if errs[i] == nil && o.q.faults.extend != nil {
			errs[i] = o.q.faults.extend()
		}
		if errs[i] == nil {
			errs[i] = o.q.extend(r.(ticket))
		}
	}
	return errs
}

// rereadable is the owner of a queue whose bodies can be read again.
type rereadable struct{ *owner }

func (r rereadable) Reread(_ context.Context, receipt Receipt) (*message.Message, error) {
	if err := r.call("reread", r.q.faults.reread); err != nil {
		return nil, err
	}
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	return r.q.entries[receipt.(ticket).seq].message(), nil
}

// invocations is the owner of a queue behind a Lambda function: it gets ten messages, and the next ones only after each
// of those was settled.
type invocations struct {
	*owner
	mu      sync.Mutex
	open    map[ticket]bool
	settled chan struct{} // closed when open is empty
}

func newInvocations(own *owner) *invocations {
	i := &invocations{owner: own, open: map[ticket]bool{}, settled: make(chan struct{})}
	close(i.settled)
	return i
}

func (i *invocations) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	i.mu.Lock()
	settled := i.settled
	i.mu.Unlock()
	select {
	case <-settled:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	batch, err := i.owner.Fetch(ctx, min(limit, 10))
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(batch) > 0 {
		i.settled = make(chan struct{})
	}
	for _, d := range batch {
		i.open[d.Receipt.(ticket)] = true
	}
	return batch, err
}

func (i *invocations) Settle(ctx context.Context, batch []Settlement) []error {
	errs := i.owner.Settle(ctx, batch)
	i.mu.Lock()
	defer i.mu.Unlock()
	before := len(i.open)
	for n, s := range batch {
		if errs[n] == nil || errs[n] == ErrGone { //nolint:errorlint // the queue wraps nothing
			delete(i.open, s.Receipt.(ticket))
		}
	}
	if before > 0 && len(i.open) == 0 {
		close(i.settled)
	}
	return errs
}
