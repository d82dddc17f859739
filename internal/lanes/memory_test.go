package lanes

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// auditor checks at each call of a source that what is held and what is asked for fit the configured bounds.
type auditor struct {
	t   *testing.T
	sub *Subscriber

	mu   sync.Mutex
	most int
}

func (a *auditor) check(asked int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	cfg, metrics := a.sub.cfg, a.sub.metrics
	bodies := int(testutil.ToFloat64(metrics.heldBodies.WithLabelValues("history")))
	bytes := int(testutil.ToFloat64(metrics.heldBytes.WithLabelValues("history")))
	held := int(testutil.ToFloat64(metrics.heldMessages.WithLabelValues("history")))
	if bodies+asked > cfg.MaxMessages {
		a.t.Errorf("%d bodies held and %d asked for, bound %d", bodies, asked, cfg.MaxMessages)
	}
	if bytes+asked*cfg.LargestMessage > cfg.MaxBytes {
		a.t.Errorf("%d bytes held and %d messages asked for, bound %d", bytes, asked, cfg.MaxBytes)
	}
	if held+asked > cfg.MaxReceipts {
		a.t.Errorf("%d messages held and %d asked for, bound %d", held, asked, cfg.MaxReceipts)
	}
	a.most = max(a.most, bodies)
}

type audited struct {
	Source
	*auditor
}

func (a audited) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	a.check(limit)
	return a.Source.Fetch(ctx, limit)
}

type auditedRereader struct {
	audited
	rereader Rereader
}

func (a auditedRereader) Reread(ctx context.Context, r Receipt) (*message.Message, error) {
	a.check(0)
	return a.rereader.Reread(ctx, r)
}

func (a *auditor) open(q *queue) opener {
	return func(ctx context.Context, name string) (Source, error) {
		s, err := q.open(ctx, name)
		if r, ok := s.(Rereader); ok {
			return auditedRereader{audited{s, a}, r}, err
		}
		return audited{s, a}, err
	}
}

func TestMemoryBound(t *testing.T) {
	tests := map[string]func(*Config){
		"messages": func(c *Config) { c.MaxMessages, c.LargestMessage = 100, 1000 },
		"bytes":    func(c *Config) { c.MaxBytes, c.LargestMessage = 100_000, 1000 },
		"receipts": func(c *Config) { c.MaxMessages, c.MaxReceipts, c.LargestMessage = 100, 300, 1000 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			forEach(t, []kind{stream, plainStream, fifo, standard, lambdaStandard}, func(t *testing.T, k kind) {
				q := newQueue(k)
				j := newJournal(q)
				a := &auditor{t: t}
				a.sub = newEngine(t, a.open(q), func(c *Config) {
					c.Order = k.order
					change(c)
				})
				began := time.Now()
				q.faults.settle = func() error { // meanwhile what is settled, or handed back, is held as well
					if time.Since(began) < 5*time.Second {
						return errFault
					}
					return nil
				}
				q.publish(keys(600, 3)...)
				q.publish(keys(600, 300)...)
				w := start(t, a.sub, j.watch(func(msg *message.Message) error {
					time.Sleep(5 * time.Millisecond)
					if nOf(msg)%10 == 5 && Attempt(msg.Context()) < 4 {
						return errHandler
					}
					return nil
				}))
				q.drained()
				w.stop(t)
				j.check(t)
				t.Logf("at most %d bodies held", a.most)
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

// TestReceiptMemory prints what messages of one key that wait behind its head take.
func TestReceiptMemory(t *testing.T) {
	const waiting = 100_000
	source := &endless{count: waiting, all: make(chan struct{})}
	sub := newEngine(t, func(context.Context, string) (Source, error) { return source, nil }, func(c *Config) {
		c.CloseTimeout = 10 * time.Minute // all of them are handed back
	})
	before := heapBytes()
	messages, err := sub.Subscribe(t.Context(), "history")
	if err != nil {
		t.Fatal(err)
	}
	head := <-messages
	<-source.all
	each := float64(heapBytes()-before) / waiting
	t.Logf("%.1f bytes for each waiting message", each)
	if each > 100 {
		t.Errorf("%.1f bytes for each waiting message, want 88 and a little", each)
	}
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

// TestAttemptMemory prints what a message takes whose failures are remembered, and holds the bound.
func TestAttemptMemory(t *testing.T) {
	before := heapBytes()
	a, err := newAttempts()
	if err != nil {
		t.Fatal(err)
	}
	for i := range rememberedAttempts + 1000 {
		a.set(fmt.Sprintf("%036d", i), 1)
	}
	each := float64(heapBytes()-before) / rememberedAttempts
	t.Logf("%.1f bytes for each remembered message", each)
	if each > 300 {
		t.Errorf("%.1f bytes for each remembered message", each)
	}
	if n := a.failures.Len(); n != rememberedAttempts {
		t.Errorf("%d remembered, want %d", n, rememberedAttempts)
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
