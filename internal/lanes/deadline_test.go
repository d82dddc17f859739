package lanes

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// batches is a source of invocations: each has a context of its own.
type batches struct {
	coming chan []Delivery

	mu      sync.Mutex
	settled []string // the message's name, with a minus when it went back
}

func (b *batches) Fetch(ctx context.Context, _ int) ([]Delivery, error) {
	select {
	case batch := <-b.coming:
		return batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *batches) Settle(_ context.Context, batch []Settlement) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range batch {
		name := s.Receipt.(string)
		if s.Action == Delay {
			name = "-" + name
		}
		b.settled = append(b.settled, name)
	}
	return nil
}

func (b *batches) Extend(context.Context, []Receipt) []error { return nil }

// invoke gives the messages to the engine, for so long. The key is the first letter.
func (b *batches) invoke(t *testing.T, bound time.Duration, names ...string) {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	var batch []Delivery
	for _, name := range names {
		msg := message.NewMessage(name, nil)
		msg.SetContext(ctx)
		batch = append(batch, Delivery{Message: msg, Receipt: name, Key: name[:1], ID: name})
	}
	b.coming <- batch
}

// When the context of an invocation ends, its handlers are told to return and nothing more of it starts, not even behind a
// handler that does not listen; the next invocation has nothing to do with that.
func TestEndOfAnInvocation(t *testing.T) {
	for name, listens := range map[string]bool{"handler listens": true, "handler does not listen": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &batches{coming: make(chan []Delivery)}
				open := func(context.Context, string) (Source, error) { return b, nil }
				var started []string
				w := start(t, newEngine(t, open, func(c *Config) { c.Order, c.Concurrency = Invocation, 1 }), func(msg *message.Message) error {
					started = append(started, msg.UUID)
					if msg.UUID != "a1" {
						return msg.Context().Err()
					}
					if !listens {
						time.Sleep(5 * time.Second)
						return nil
					}
					<-msg.Context().Done()
					return messages.Postpone(0, msg.Context().Err())
				})
				b.invoke(t, time.Second, "a1", "a2", "b1")
				time.Sleep(2 * time.Second)
				b.invoke(t, time.Minute, "a3", "b2")
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if want := []string{"a1", "a3", "b2"}; !slices.Equal(slices.Sorted(slices.Values(started)), want) {
					t.Errorf("started %v, want %v", started, want)
				}
				want := []string{"-a1", "-a2", "-b1", "a3", "b2"}
				if !listens {
					want[0] = "a1"
				}
				slices.Sort(want)
				if slices.Sort(b.settled); !slices.Equal(b.settled, want) {
					t.Errorf("settled %v, want %v", b.settled, want)
				}
				w.stop(t)
			})
		})
	}
}
