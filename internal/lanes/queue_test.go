package lanes

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

var (
	errFenced = errors.New("another process owns the queue")
	errFault  = errors.New("injected fault")
)

// queue is a broker in memory, of any kind. What is delivered is hidden until its lease ends; then it is delivered
// again. As with a JetStream durable, opening a stream takes it over: the former owner's calls fail, and what is not
// acknowledged is delivered again in order, from the ack floor, so what was acknowledged above it comes twice.
type queue struct {
	kind    kind
	latency time.Duration // of every call
	faults  faults

	mu        sync.Mutex
	entries   []*entry
	shelf     shelf
	hidden    *pile[hiding]
	perKey    map[string]int
	changed   chan struct{} // closed at a change
	owner     int
	dead      int // owners up to this one have died
	unacked   int
	expired   int // leases that ended unrenewed
	handbacks []handback
	calls     map[string]int // per call of the source
}

// faults decide for each call or batch entry; nil never fails. A lost acknowledgement is one that is answered with
// success and has no effect.
type faults struct {
	fetch, settle, extend, reread func() error
	lose                          func() bool
}

type entry struct {
	seq       int
	key       string
	n         int // within the key
	published time.Time
	hidden    bool
	leased    bool // hidden by a delivery and not by a delay
	until     time.Time
	received  int // the number of the latest delivery
	acked     bool
}

// hiding is the end of a time that an entry was once to be hidden for.
type hiding struct {
	e     *entry
	until time.Time
}

type handback struct {
	at    time.Time
	key   string
	n     int
	after time.Duration
}

type ticket struct{ seq, delivery int }

func newQueue(k kind) *queue {
	return &queue{
		kind: k, latency: time.Millisecond, shelf: k.shelf(),
		hidden: newPile(func(a, b hiding) bool { return a.until.Before(b.until) }),
		perKey: make(map[string]int), changed: make(chan struct{}), calls: make(map[string]int),
	}
}

// engine returns a Subscriber for the queue.
func (q *queue) engine(t testing.TB, change func(*Config)) *Subscriber {
	t.Helper()
	return newEngine(t, q.open, func(c *Config) {
		c.Order, c.KeysLock = q.kind.order, q.kind.locks
		if change != nil {
			change(c)
		}
	})
}

func (q *queue) publish(keys ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, key := range keys {
		e := &entry{seq: len(q.entries), key: key, n: q.perKey[key], published: time.Now()}
		q.perKey[key]++
		q.entries = append(q.entries, e)
		q.shelf.put(e)
		q.unacked++
	}
	q.signal()
}

func (q *queue) signal() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// open makes the queue a Source, and takes it over if it can have one owner only.
func (q *queue) open(context.Context, string) (Source, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.owner++
	if q.kind.takeover {
		q.startAgain()
	}
	q.signal()
	own := &owner{q: q, id: q.owner}
	switch {
	case q.kind.invocations:
		return newInvocations(own), nil
	case q.kind.bare:
		return rereadable{own}, nil
	default:
		return own, nil
	}
}

// kill makes every call of the present owners fail, as if their processes were dead.
func (q *queue) kill() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead = q.owner
}

func (q *queue) startAgain() {
	q.shelf = q.kind.shelf()
	floor := true
	for _, e := range q.entries {
		floor = floor && e.acked
		e.hidden = false
		if e.acked && !floor {
			e.acked = false
			q.unacked++
		}
		if !e.acked {
			q.shelf.put(e)
		}
	}
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

// returned lists what was handed back.
func (q *queue) returned() []handback {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.handbacks)
}

// called returns how often a call of the source was made.
func (q *queue) called(what string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls[what]
}

// leased returns how many messages are hidden by a delivery.
func (q *queue) leased() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, e := range q.entries {
		if e.hidden && e.leased {
			n++
		}
	}
	return n
}

// mostReceived returns how often the message was delivered that was delivered most often.
func (q *queue) mostReceived() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	most := 0
	for _, e := range q.entries {
		most = max(most, e.received)
	}
	return most
}

func (q *queue) hide(e *entry, lease bool, d time.Duration) {
	e.hidden, e.leased, e.until = true, lease, time.Now().Add(d)
	heap.Push(q.hidden, hiding{e, e.until})
}

// show makes visible what is not hidden any longer, and returns when there is more.
func (q *queue) show(now time.Time) (next time.Time) {
	for q.hidden.Len() > 0 {
		h := q.hidden.items[0]
		e := h.e
		if e.acked || !e.hidden || !e.until.Equal(h.until) {
			heap.Pop(q.hidden)
			continue
		}
		if h.until.After(now) {
			return h.until
		}
		heap.Pop(q.hidden)
		if e.leased {
			q.expired++
		}
		e.hidden = false
		q.shelf.put(e)
	}
	return time.Time{}
}

func (q *queue) take(limit int) []Delivery {
	var batch []Delivery
	for _, e := range q.shelf.take(limit) {
		e.received++
		q.hide(e, true, testLease)
		d := Delivery{Message: e.message(), Receipt: ticket{e.seq, e.received}, Key: e.key, Size: 1000}
		if !q.kind.takeover {
			d.ID, d.Received = d.Message.UUID, e.received
		}
		batch = append(batch, d)
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

// settle ends the lease of a delivery. An acknowledgement by a receipt that is over counts in a stream, is refused in a
// FIFO queue, and looks well in a standard queue, but has no effect: the most that SQS promises for that.
func (q *queue) settle(s Settlement) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal()
	t := s.Receipt.(ticket)
	e := q.entries[t.seq]
	current := e.hidden && e.leased && e.received == t.delivery
	switch {
	case e.acked:
	case s.Action == Ack && (current || q.kind.takeover):
		e.acked, e.hidden = true, false
		q.unacked--
		q.shelf.acked(e)
	case s.Action == Ack && q.kind.sorted:
		return ErrGone
	case s.Action == Delay && current:
		q.handbacks = append(q.handbacks, handback{time.Now(), e.key, e.n, s.After})
		q.hide(e, false, q.kind.rounded(s.After))
	case s.Action == Delay && !q.kind.takeover:
		return ErrGone
	}
	return nil
}

func (q *queue) extend(t ticket) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.entries[t.seq]; e.hidden && e.leased && e.received == t.delivery {
		q.hide(e, true, testLease)
	} else if !q.kind.takeover {
		return ErrGone
	}
	return nil
}
