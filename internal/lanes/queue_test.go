package lanes

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

var (
	errFenced = errors.New("another process owns the queue")
	errFault  = errors.New("injected fault")
)

// queue is an ordered broker in memory. A lease that is not renewed ends and the message is delivered again, the
// oldest first. As with a JetStream durable, opening it takes it over: the former owner's calls fail, and what is
// not acknowledged is delivered again in order, from the ack floor, so what was acknowledged above it comes twice.
type queue struct {
	lease   time.Duration
	latency time.Duration // of every call
	faults  faults

	mu        sync.Mutex
	entries   []*entry
	available seqHeap
	perKey    map[string]int
	changed   chan struct{} // closed at a change
	owner     int
	unacked   int
	expired   int // leases that ended unrenewed
	handbacks []handback
}

// faults decide for each call or batch entry; nil never fails.
type faults struct {
	fetch, settle, extend, reread func() error
}

type entry struct {
	seq       int
	key       string
	n         int // within the key
	published time.Time
	until     time.Time // end of the lease
	leased    bool
	delivery  int // the latest one
	acked     bool
}

type handback struct {
	at  time.Time
	key string
	n   int
}

type ticket struct{ seq, delivery int }

func newQueue(lease time.Duration) *queue {
	return &queue{
		lease: lease, latency: time.Millisecond,
		perKey: make(map[string]int), changed: make(chan struct{}),
	}
}

func (q *queue) publish(keys ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, key := range keys {
		e := &entry{seq: len(q.entries), key: key, n: q.perKey[key], published: time.Now()}
		q.perKey[key]++
		q.entries = append(q.entries, e)
		heap.Push(&q.available, e.seq)
		q.unacked++
	}
	q.signal()
}

func (q *queue) signal() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// open takes the queue over.
func (q *queue) open(context.Context, string) (Source, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.owner++
	q.available = nil
	floor := true
	for _, e := range q.entries {
		floor = floor && e.acked
		e.leased = false
		if e.acked && !floor {
			e.acked = false
			q.unacked++
		}
		if !e.acked {
			q.available = append(q.available, e.seq)
		}
	}
	q.signal()
	return &owner{q, q.owner}, nil
}

func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.unacked
}

// drained waits until every message is acknowledged.
func (q *queue) drained() {
	for {
		q.mu.Lock()
		left, changed := q.unacked, q.changed
		q.mu.Unlock()
		if left == 0 {
			return
		}
		<-changed
	}
}

// expire makes available what is no longer leased, and returns the next end of a lease.
func (q *queue) expire(now time.Time) (next time.Time) {
	for _, e := range q.entries {
		switch {
		case !e.leased || e.acked:
		case !e.until.After(now):
			e.leased = false
			q.expired++
			heap.Push(&q.available, e.seq)
		case next.IsZero() || e.until.Before(next):
			next = e.until
		}
	}
	return next
}

// owner is the queue as one of its owners sees it.
type owner struct {
	q  *queue
	id int
}

func (o *owner) call(fault func() error) error {
	time.Sleep(o.q.latency)
	if fault != nil {
		if err := fault(); err != nil {
			return err
		}
	}
	o.q.mu.Lock()
	defer o.q.mu.Unlock()
	if o.q.owner != o.id {
		return errFenced
	}
	return nil
}

func (o *owner) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	for {
		if err := o.call(o.q.faults.fetch); err != nil {
			return nil, err
		}
		o.q.mu.Lock()
		now := time.Now()
		var next time.Time
		if len(o.q.available) == 0 {
			next = o.q.expire(now)
		}
		batch, changed := o.q.take(limit, now), o.q.changed
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

func (q *queue) take(limit int, now time.Time) []Delivery {
	var batch []Delivery
	for len(q.available) > 0 && len(batch) < limit {
		e := q.entries[heap.Pop(&q.available).(int)]
		if e.acked {
			continue
		}
		e.leased, e.until, e.delivery = true, now.Add(q.lease), e.delivery+1
		batch = append(batch, Delivery{
			Message: e.message(), Receipt: ticket{e.seq, e.delivery}, Key: e.key, Size: 1000,
		})
	}
	return batch
}

func (e *entry) message() *message.Message {
	msg := message.NewMessage(fmt.Sprintf("%s-%d", e.key, e.n), nil)
	msg.Metadata.Set("key", e.key)
	msg.Metadata.Set("n", strconv.Itoa(e.n))
	msg.Metadata.Set("seq", strconv.Itoa(e.seq))
	return msg
}

func (o *owner) Settle(_ context.Context, batch []Settlement) []error {
	fenced := o.call(nil)
	errs := make([]error, len(batch))
	for i, s := range batch {
		errs[i] = fenced
		if errs[i] == nil && o.q.faults.settle != nil {
			errs[i] = o.q.faults.settle()
		}
		if errs[i] == nil {
			o.q.settle(s)
		}
	}
	return errs
}

func (q *queue) settle(s Settlement) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := s.Receipt.(ticket)
	e := q.entries[t.seq]
	switch {
	case e.acked:
	case s.Action == Ack:
		e.acked, e.leased = true, false
		q.unacked--
	case e.leased && e.delivery == t.delivery:
		e.leased = false
		q.handbacks = append(q.handbacks, handback{time.Now(), e.key, e.n})
		heap.Push(&q.available, e.seq)
	}
	q.signal()
}

func (o *owner) Extend(_ context.Context, batch []Receipt) []error {
	fenced := o.call(nil)
	errs := make([]error, len(batch))
	for i, r := range batch {
		errs[i] = fenced
		if errs[i] == nil && o.q.faults.extend != nil {
			errs[i] = o.q.faults.extend()
		}
		if errs[i] == nil {
			o.q.extend(r.(ticket))
		}
	}
	return errs
}

func (q *queue) extend(t ticket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.entries[t.seq]; e.leased && e.delivery == t.delivery {
		e.until = time.Now().Add(q.lease)
	}
}

// Reread makes owner a Rereader.
func (o *owner) Reread(_ context.Context, r Receipt) (*message.Message, error) {
	if err := o.call(o.q.faults.reread); err != nil {
		return nil, err
	}
	o.q.mu.Lock()
	defer o.q.mu.Unlock()
	return o.q.entries[r.(ticket).seq].message(), nil
}

// plain hides Reread.
type plain struct{ Source }

func (q *queue) openPlain(ctx context.Context, name string) (Source, error) {
	s, err := q.open(ctx, name)
	return plain{s}, err
}

type seqHeap []int

func (h seqHeap) Len() int           { return len(h) }
func (h seqHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h seqHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *seqHeap) Push(v any)        { *h = append(*h, v.(int)) }
func (h *seqHeap) Pop() any {
	last := len(*h) - 1
	v := (*h)[last]
	*h = (*h)[:last]
	return v
}
