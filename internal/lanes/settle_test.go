package lanes

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
)

// settled is one Settle call.
type settled struct {
	At      time.Duration // since the queue was opened
	Entries int
}

type settleLog struct {
	Source
	opened time.Time
	mu     sync.Mutex
	calls  []settled
}

func (l *settleLog) Settle(ctx context.Context, batch []Settlement) []error {
	l.mu.Lock()
	l.calls = append(l.calls, settled{time.Since(l.opened), len(batch)})
	l.mu.Unlock()
	return l.Source.Settle(ctx, batch)
}

func (l *settleLog) open(q *queue) opener {
	return func(ctx context.Context, name string) (Source, error) {
		s, err := q.open(ctx, name)
		l.Source, l.opened = s, time.Now()
		return l, err
	}
}

// merged takes calls within 10 ms for one: what finishes at the same time may come as ten and ten more.
func (l *settleLog) merged() []settled {
	var calls []settled
	for _, c := range l.calls {
		if last := len(calls) - 1; last >= 0 && c.At-calls[last].At < 10*time.Millisecond {
			calls[last].Entries += c.Entries
		} else {
			calls = append(calls, c)
		}
	}
	return calls
}

// Fewer acks than make a call worth its price wait for company, but not for long, and nobody waits for them: not the
// next message of their lane, not what is handed back, and not a stop.
func TestAcksLinger(t *testing.T) {
	const ms = time.Millisecond
	fails := func(at int) func(msg *message.Message) error {
		return func(msg *message.Message) error {
			if nOf(msg) == at && Attempt(msg.Context()) == 1 {
				return errHandler
			}
			return nil
		}
	}
	tests := map[string]struct {
		batch  int
		linger time.Duration
		keys   []string
		handle func(msg *message.Message) error
		stop   time.Duration // when to stop
		want   []settled
	}{
		"by default everything goes at once": {
			keys: keys(1, 1), stop: time.Second,
			want: []settled{{ms, 1}},
		},
		"one ack waits": {
			batch: 10, linger: 200 * ms, keys: keys(1, 1), stop: time.Second,
			want: []settled{{201 * ms, 1}},
		},
		"calls take multiples, the rest waits": {
			batch: 10, linger: 200 * ms, keys: keys(25, 25), stop: time.Second,
			want: []settled{{ms, 20}, {201 * ms, 5}},
		},
		"followers do not wait": {
			batch: 3, linger: 200 * ms, keys: keys(3, 1), stop: time.Second,
			want: []settled{{ms, 3}},
		},
		"what is handed back does not wait": {
			batch: 10, linger: 200 * ms, keys: keys(3, 1), handle: fails(1), stop: 300 * ms,
			want: []settled{{ms, 1}, {201 * ms, 2}},
		},
		"a stop does not wait": {
			batch: 10, linger: 200 * ms, keys: keys(4, 2), stop: 50 * ms,
			want: []settled{{50 * ms, 4}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, log := newQueue(standard), &settleLog{}
				q.publish(tt.keys...)
				handle := tt.handle
				if handle == nil {
					handle = takes(0)
				}
				w := start(t, newEngine(t, log.open(q), func(c *Config) {
					c.Order, c.SettleBatch, c.SettleLinger = Unordered, tt.batch, tt.linger
				}), handle)
				time.Sleep(tt.stop)
				w.stop(t)
				if diff := cmp.Diff(tt.want, log.merged()); diff != "" {
					t.Errorf("settle calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Under load the calls are full: with ten to a call, 3,000 messages cost little more than 300 calls.
func TestSettleCallsAreFull(t *testing.T) {
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q, log := newQueue(k), &settleLog{}
		j := newJournal(q)
		q.publish(keys(3_000, 100)...)
		w := start(t, newEngine(t, log.open(q), func(c *Config) {
			c.Order, c.SettleBatch, c.SettleLinger = k.order, 10, 100*time.Millisecond
		}), j.watch(takes(5*time.Millisecond)))
		q.drained()
		w.stop(t)
		j.check(t)
		tens := 0 // as a source has to cut them
		for _, c := range log.calls {
			tens += (c.Entries + 9) / 10
		}
		t.Logf("%d calls of ten", tens)
		if tens > 330 {
			t.Errorf("%d calls of ten for 3,000 messages", tens)
		}
	})
}

// The lease of an ack that lingers goes on.
func TestLingeringAckKeepsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		j := newJournal(q)
		q.publish("k")
		w := start(t, q.engine(t, func(c *Config) { c.SettleBatch, c.SettleLinger = 10, testLease/2 }), j.watch(takes(testLease*3/4)))
		q.drained()
		w.stop(t)
		j.check(t)
		j.checkOnce(t)
	})
}
