package lanes

import (
	"context"
	"fmt"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
)

// supply delivers b.N messages over 200 keys, without any cost of its own beyond the messages.
type supply struct {
	keys    []string
	next, n int
	settled chan int
}

func (s *supply) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	if s.next == s.n {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	limit = min(limit, s.n-s.next)
	batch := make([]Delivery, limit)
	for i := range batch {
		batch[i] = Delivery{
			Message: message.NewMessage("", nil), Receipt: nil, Key: s.keys[s.next%len(s.keys)], Size: 1000,
		}
		s.next++
	}
	return batch, nil
}

func (s *supply) Settle(_ context.Context, batch []Settlement) []error {
	s.settled <- len(batch)
	return nil
}

func (s *supply) Extend(context.Context, []Receipt) []error { return nil }

// BenchmarkEngine is the cost of a message from fetch to settle with a handler that does nothing. The message that
// the source makes is 5 of the allocations.
func BenchmarkEngine(b *testing.B) {
	b.Run("ordered", func(b *testing.B) { benchmarkEngine(b, Ordered) })
	b.Run("unordered", func(b *testing.B) { benchmarkEngine(b, Unordered) })
}

func benchmarkEngine(b *testing.B, order Order) {
	source := &supply{n: b.N, settled: make(chan int)}
	for i := range 200 {
		source.keys = append(source.keys, fmt.Sprintf("k%d", i))
	}
	sub := newEngine(b, func(context.Context, string) (Source, error) { return source, nil }, func(c *Config) {
		c.Order = order
	})
	b.ReportAllocs()
	b.ResetTimer()
	messages, err := sub.Subscribe(b.Context(), "history")
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for msg := range messages {
			go msg.Ack()
		}
	}()
	for left := b.N; left > 0; {
		left -= <-source.settled
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if err := sub.Close(); err != nil {
		b.Error(err)
	}
}
