package lanes

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// budgetSource checks at each call that what is held and what is asked for fit the configured bounds.
type budgetSource struct {
	*owner
	t       *testing.T
	cfg     Config
	metrics *Metrics
	most    *atomic.Int64
}

func (b budgetSource) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	b.check(limit)
	return b.owner.Fetch(ctx, limit)
}

func (b budgetSource) Reread(ctx context.Context, r Receipt) (*message.Message, error) {
	b.check(0)
	return b.owner.Reread(ctx, r)
}

func (b budgetSource) check(asked int) {
	bodies := int(testutil.ToFloat64(b.metrics.heldBodies.WithLabelValues("history")))
	bytes := int(testutil.ToFloat64(b.metrics.heldBytes.WithLabelValues("history")))
	held := int(testutil.ToFloat64(b.metrics.heldMessages.WithLabelValues("history")))
	if bodies+asked > b.cfg.MaxMessages {
		b.t.Errorf("%d bodies held and %d asked for, bound %d", bodies, asked, b.cfg.MaxMessages)
	}
	if bytes+asked*b.cfg.LargestMessage > b.cfg.MaxBytes {
		b.t.Errorf("%d bytes held and %d messages asked for, bound %d", bytes, asked, b.cfg.MaxBytes)
	}
	if held+asked > b.cfg.MaxReceipts {
		b.t.Errorf("%d messages held and %d asked for, bound %d", held, asked, b.cfg.MaxReceipts)
	}
	b.most.Store(max(b.most.Load(), int64(bodies)))
}

func TestMemoryBound(t *testing.T) {
	tests := map[string]func(*Config){
		"messages": func(c *Config) { c.MaxMessages, c.LargestMessage = 100, 1000 },
		"bytes":    func(c *Config) { c.MaxBytes, c.LargestMessage = 100_000, 1000 },
		"receipts": func(c *Config) { c.MaxMessages, c.MaxReceipts, c.LargestMessage = 100, 300, 1000 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, j := newQueue(testLease), newJournal()
				var sub *Subscriber
				var most atomic.Int64
				sub = newEngine(t, func(ctx context.Context, name string) (Source, error) {
					s, err := q.open(ctx, name)
					return budgetSource{s.(*owner), t, sub.cfg, sub.metrics, &most}, err
				}, change)
				q.publish(keys(3_000, 3)...)
				q.publish(keys(3_000, 300)...)
				w := start(t, sub, j.watch(q, func(msg *message.Message) error {
					time.Sleep(5 * time.Millisecond)
					if nOf(msg)%10 == 5 && Attempt(msg.Context()) < 4 {
						return errHandler
					}
					return nil
				}))
				q.drained()
				w.stop(t)
				j.check(t, q)
				t.Logf("at most %d bodies held", most.Load())
			})
		})
	}
}

// endless delivers one key's messages, 1 kB each, until count; receipts are sequence numbers.
type endless struct {
	seq, count uint64
	all        chan struct{}
}

func (e *endless) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	if e.seq == e.count {
		close(e.all)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	batch := make([]Delivery, 0, limit)
	for ; len(batch) < limit && e.seq < e.count; e.seq++ {
		batch = append(batch, Delivery{
			Message: message.NewMessage("id", make([]byte, 1000)), Receipt: e.seq, Key: "hot", Size: 1000,
		})
	}
	return batch, nil
}

func (e *endless) Settle(context.Context, []Settlement) []error { return nil }
func (e *endless) Extend(context.Context, []Receipt) []error    { return nil }
func (e *endless) Reread(context.Context, Receipt) (*message.Message, error) {
	return message.NewMessage("id", make([]byte, 1000)), nil
}

// TestReceiptMemory prints what a million messages of one key that wait behind its head take.
func TestReceiptMemory(t *testing.T) {
	const waiting = 1_000_000
	source := &endless{count: waiting, all: make(chan struct{})}
	sub := newEngine(t, func(context.Context, string) (Source, error) { return source, nil }, func(c *Config) {
		c.CloseTimeout = 10 * time.Minute // a million messages are handed back
	})
	before := heapBytes()
	messages, err := sub.Subscribe(t.Context(), "history")
	if err != nil {
		t.Fatal(err)
	}
	head := <-messages
	<-source.all
	t.Logf("%.1f bytes for each waiting message", float64(heapBytes()-before)/waiting)
	head.Ack()
	go func() {
		for msg := range messages {
			msg.Ack()
		}
	}()
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
