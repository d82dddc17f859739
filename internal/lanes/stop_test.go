package lanes

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// F14: what runs finishes and its acknowledgement counts, what was not started goes back at once, the oldest first. Where
// a key has an order, what stands behind a running head waits for its end.
func TestStopFinishesWhatRunsAndHandsBackTheRest(t *testing.T) {
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		q.publish(keys(2_000, 200)...)
		var finished atomic.Int64
		first := start(t, q.engine(t, nil), j.watch(func(*message.Message) error {
			time.Sleep(2 * time.Second)
			finished.Add(1)
			return nil
		}))
		time.Sleep(time.Second) // 64 run
		asked := time.Now()
		first.stop(t)
		if took := time.Since(asked); took > 1100*time.Millisecond {
			t.Errorf("stopped after %s, the handlers needed one second more", took)
		}
		if finished.Load() != 64 || q.left() != 2_000-64 {
			t.Errorf("%d handlers finished and %d messages are left, want 64 and 1936", finished.Load(), q.left())
		}
		atOnce := 0
		latest := map[string]int{}
		for _, h := range q.returned() {
			if h.at.Sub(asked) < 50*time.Millisecond {
				atOnce++
			}
			if h.n < latest[h.key] && k.sorted {
				t.Errorf("%s-%d was handed back after %s-%d", h.key, h.n, h.key, latest[h.key])
			}
			if h.after != 0 {
				t.Errorf("%s-%d was handed back for %s, want at once", h.key, h.n, h.after)
			}
			latest[h.key] = h.n
		}
		late := 0
		if k.sorted {
			late = 64 * 9 // what stands behind the running heads
		}
		if atOnce < len(q.returned())-late || len(q.returned()) < 1_500 {
			t.Errorf("%d handed back, %d of them at once, want all but %d", len(q.returned()), atOnce, late)
		}
		if n := q.leased(); n > 0 {
			t.Errorf("%d messages still wait for the end of their lease", n)
		}

		second := start(t, q.engine(t, nil), j.watch(takes(time.Millisecond)))
		q.drained()
		second.stop(t)
		j.check(t)
		if q.expired > 0 {
			t.Errorf("%d leases ended", q.expired)
		}
	})
}

func TestStopBound(t *testing.T) {
	tests := map[string]struct {
		handle func(ctx context.Context, stuck <-chan struct{}) error
		within time.Duration
		clean  bool
	}{
		"handler returns when its context ends": {
			handle: func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return ctx.Err() },
			within: 5*time.Second + 100*time.Millisecond,
			clean:  true,
		},
		"handler ignores its context": {
			handle: func(_ context.Context, stuck <-chan struct{}) error { <-stuck; return nil },
			within: 5*time.Second + 600*time.Millisecond,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			forEach(t, allKinds(), func(t *testing.T, k kind) {
				q := newQueue(k)
				q.publish("k", "k", "k")
				stuck := make(chan struct{})
				w := start(t, q.engine(t, func(c *Config) { c.SettleTimeout = 2 * time.Second }), func(msg *message.Message) error {
					return tt.handle(msg.Context(), stuck)
				})
				time.Sleep(time.Second)
				began := time.Now()
				err := w.sub.Close()
				if took := time.Since(began); took > tt.within {
					t.Errorf("closed after %s, want within %s", took, tt.within)
				}
				if (err == nil) != tt.clean {
					t.Errorf("Close() = %v, want clean: %v", err, tt.clean)
				}
				if len(q.returned()) != 3 {
					t.Errorf("%d messages handed back, want 3", len(q.returned()))
				}
				close(stuck)
				<-w.closed
			})
		})
	}
}

// A queue that no longer answers must not hold the process.
func TestStopWithADeadQueue(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		q.publish(keys(100, 10)...)
		var dead atomic.Bool
		fault := func() error {
			if dead.Load() {
				return errFault
			}
			return nil
		}
		q.faults = faults{fetch: fault, settle: fault, extend: fault}
		w := start(t, q.engine(t, nil), takes(10*time.Millisecond))
		time.Sleep(15 * time.Millisecond)
		dead.Store(true)
		time.Sleep(time.Hour)
		began := time.Now()
		if err := w.sub.Close(); err == nil {
			t.Error("Close() = nil, want an error that counts what was not settled")
		}
		if took := time.Since(began); took > 9100*time.Millisecond {
			t.Errorf("closed after %s, want within the timeout of 5 s and 4 s more", took)
		}
		<-w.closed
	})
}

func TestSubscribeContextMeansStopReceiving(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		q.publish("a", "b", "a")
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "carried"))
		var ended atomic.Int64
		w := startContext(ctx, t, q.engine(t, nil), func(msg *message.Message) error {
			time.Sleep(3 * time.Second)
			if msg.Context().Err() != nil {
				ended.Add(1)
			}
			if msg.Context().Value(valueKey{}) != "carried" {
				t.Error("the message's context does not carry the values of Subscribe's")
			}
			return nil
		})
		time.Sleep(time.Second)
		cancel()
		<-w.closed
		if ended.Load() != 0 {
			t.Errorf("%d contexts of running handlers ended with Subscribe's", ended.Load())
		}
		if q.left() != 1 || len(q.returned()) != 1 {
			t.Errorf("%d left, %d handed back, want 1 and 1", q.left(), len(q.returned()))
		}
	})
}

// An extension under way when the stop begins would hide again what was handed back before it.
func TestHandBackWaitsForExtension(t *testing.T) {
	forEach(t, []kind{stream, fifo}, func(t *testing.T, k kind) {
		q := newQueue(k)
		var extended time.Time
		q.faults.extend = func() error {
			time.Sleep(2 * time.Second)
			extended = time.Now()
			return nil
		}
		q.publish("k", "k")
		down := func(*message.Message) error { return messages.Postpone(time.Hour, errHandler) }
		w := start(t, q.engine(t, nil), down)
		time.Sleep(testLease/2 + 500*time.Millisecond)
		w.stop(t)
		if len(q.returned()) != 2 || extended.IsZero() || q.returned()[0].at.Before(extended) {
			t.Errorf("handed back at %v, extended at %v", q.returned(), extended)
		}
	})
}

func TestSubscribeContextIsBoundedByCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		q.publish("k")
		ctx, cancel := context.WithCancel(t.Context())
		w := startContext(ctx, t, q.engine(t, nil), func(msg *message.Message) error {
			<-msg.Context().Done()
			return msg.Context().Err()
		})
		time.Sleep(time.Second)
		began := time.Now()
		cancel()
		<-w.closed
		if took := time.Since(began); took < 5*time.Second || took > 5100*time.Millisecond {
			t.Errorf("closed after %s, want the close timeout of 5s", took)
		}
	})
}

type valueKey struct{}

func TestMessageContextEndsWithItsOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		q.publish("k", "k")
		sub := q.engine(t, nil)
		messages, err := sub.Subscribe(t.Context(), "history")
		if err != nil {
			t.Fatal(err)
		}
		msg := <-messages
		msg.Ack()
		<-msg.Context().Done()
		msg = <-messages
		synctest.Wait()
		if err := msg.Context().Err(); err != nil {
			t.Errorf("context of a running message: %v", err)
		}
		if err := sub.Close(); err == nil {
			t.Error("Close() = nil although a message was neither acked nor nacked")
		}
		<-msg.Context().Done()
	})
}

func TestStopTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		sub := q.engine(t, nil)
		w := start(t, sub, takes(0))
		go func() { _ = sub.Close() }()
		w.stop(t)
		w.stop(t)
		if _, err := sub.Subscribe(t.Context(), "history"); !errors.Is(err, ErrClosed) {
			t.Errorf("Subscribe after Close: %v, want ErrClosed", err)
		}
	})
}

// Watermill's router cancels its subscriptions at once when it closes; handlers in flight finish and their acks count.
func TestWatermillRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		j := newJournal(q)
		q.publish(keys(200, 100)...)
		sub := q.engine(t, nil)
		router, err := message.NewRouter(message.RouterConfig{}, watermill.NewSlogLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		router.AddConsumerHandler("history", "history", sub, j.watch(func(msg *message.Message) error {
			time.Sleep(time.Second)
			return msg.Context().Err()
		}))
		go func() { _ = router.Run(context.Background()) }()
		<-router.Running()
		time.Sleep(500 * time.Millisecond)
		if err := router.Close(); err != nil {
			t.Error(err)
		}
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
		if q.left() != 200-64 {
			t.Errorf("%d messages left, want 136: the 64 in flight count", q.left())
		}
	})
}

func TestSourceIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closer := &closingSource{}
		sub := newEngine(t, func(ctx context.Context, name string) (Source, error) {
			source, err := newQueue(stream).open(ctx, name)
			closer.Source = source
			return closer, err
		}, nil)
		start(t, sub, takes(0)).stop(t)
		if !closer.closed {
			t.Error("the source was not closed")
		}
	})
}

type closingSource struct {
	Source
	closed bool
}

var _ io.Closer = (*closingSource)(nil)

func (c *closingSource) Close() error {
	c.closed = true
	return nil
}
