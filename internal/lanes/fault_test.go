package lanes

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// A handler that panics is nacked by Watermill's router without a word to the engine: it counts as any failure.
func TestNackWithoutReasonIsCounted(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		q.publish("k")
		sub := q.engine(t, nil)
		messages, err := sub.Subscribe(t.Context(), "history")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		(<-messages).Nack()
		again := <-messages
		if got := Attempt(again.Context()); got != 2 {
			t.Errorf("attempt %d, want 2", got)
		}
		if waited := time.Since(began); waited < 300*time.Millisecond || waited > 1100*time.Millisecond {
			t.Errorf("tried again after %s, want about 500ms, or the second that SQS makes of it", waited)
		}
		again.Ack()
		q.drained()
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The source fails in part or for a while; every message is handled, in order, and acknowledged.
func TestSourceFaults(t *testing.T) {
	outage := func(from, to time.Duration) func() error {
		began := time.Now()
		return func() error {
			if d := time.Since(began); d > from && d < to {
				return errFault
			}
			return nil
		}
	}
	tests := map[string]func(*faults){
		"half of the extensions fail":  func(f *faults) { f.extend = everyNth(2) },
		"3 of 10 settled entries fail": func(f *faults) { f.settle = threeOfTen() },
		"every second reread fails":    func(f *faults) { f.reread = everyNth(2) },
		"every third fetch fails":      func(f *faults) { f.fetch = everyNth(3) },
		"settles fail for a minute":    func(f *faults) { f.settle = outage(time.Second, time.Minute) },
		"the queue is down for a minute": func(f *faults) {
			down := outage(500*time.Millisecond, time.Minute)
			f.fetch, f.settle, f.extend, f.reread = down, down, down, down
		},
	}
	for name, inject := range tests {
		t.Run(name, func(t *testing.T) {
			forEach(t, allKinds(), func(t *testing.T, k kind) {
				q := newQueue(k)
				j := newJournal(q)
				inject(&q.faults)
				n := 1_500
				if k.invocations {
					n = 300 // one batch after the other
				}
				q.publish(keys(n, 10)...)
				began := time.Now()
				w := start(t, q.engine(t, nil), j.watch(takes(5*time.Millisecond)))
				q.drained()
				if took := time.Since(began); took > 80*time.Second {
					t.Errorf("drained after %s, want within 20 s of the end of the fault", took)
				}
				w.stop(t)
				j.check(t)
			})
		})
	}
}

func threeOfTen() func() error {
	var calls atomic.Int64
	return func() error {
		if calls.Add(1)%10 < 3 {
			return errFault
		}
		return nil
	}
}

// F8: an acknowledgement that was answered with success had no effect, as with a receipt that is over. The message comes
// again, with its first attempt whatever it took before, and is handled and acknowledged again.
func TestLostAcks(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		lost := everyNth(5)
		q.faults.lose = func() bool { return lost() != nil }
		q.publish(keys(500, 50)...)
		w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
			starts, want := j.startsOf(msg.UUID), 1
			if nOf(msg)%2 == 1 && starts == 1 {
				return errHandler
			}
			if nOf(msg)%2 == 1 && starts == 2 {
				want = 2
			}
			if n := Attempt(msg.Context()); n != want {
				t.Errorf("%s: attempt %d at start %d, want %d", msg.UUID, n, starts, want)
			}
			return nil
		}))
		q.drained()
		w.stop(t)
		j.check(t)
		if j.repeats < 100 || j.repeats != q.expired {
			t.Errorf("%d messages were handled twice, %d leases ended, want as many and at least the 100 that were lost",
				j.repeats, q.expired)
		}
	})
}

// The lease of a handled message goes on until its ack is confirmed, and its followers do not wait for that.
func TestUnconfirmedAck(t *testing.T) {
	forEach(t, allKinds(), func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		began := time.Now()
		q.faults.settle = func() error {
			if time.Since(began) < 5*testLease {
				return errFault
			}
			return nil
		}
		q.publish("k", "k", "k")
		w := start(t, q.engine(t, nil), j.watch(takes(time.Millisecond)))
		time.Sleep(time.Second)
		if j.startsOf("k-2") != 1 {
			t.Error("the last message was not handled while the first ack was not confirmed")
		}
		q.drained()
		w.stop(t)
		j.check(t)
		j.checkOnce(t)
	})
}

// A failing queue is logged when it begins and when it ends, not at each call.
func TestFaultsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		began := time.Now()
		q.faults.fetch = func() error {
			if time.Since(began) < time.Hour {
				return errFault
			}
			return nil
		}
		q.publish("k")
		var log strings.Builder
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == "failures" {
					return slog.Attr{}
				}
				return a
			},
		}))
		sub, err := New(Config{Lease: testLease}, q.open, logger, NewMetrics(prometheus.NewRegistry()))
		if err != nil {
			t.Fatal(err)
		}
		w := start(t, sub, takes(0))
		q.drained()
		w.stop(t)
		lines := strings.SplitAfter(log.String(), "\n")
		want := []string{
			`level=WARN msg="source fails, trying again" worker=history call=fetch error="injected fault"` + "\n",
			`level=INFO msg="source works again" worker=history call=fetch` + "\n",
		}
		if diff := cmp.Diff(want, lines[:2]); diff != "" || strings.Count(log.String(), "fetch") != 2 {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

// What the queue no longer has is settled without a handler.
func TestGoneBodyIsAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		q.faults.reread = func() error { return ErrGone }
		q.publish(keys(100, 1)...)
		var handled atomic.Int64
		w := start(t, q.engine(t, nil), func(*message.Message) error {
			handled.Add(1)
			time.Sleep(time.Millisecond)
			return nil
		})
		q.drained()
		w.stop(t)
		if handled.Load() != 32 {
			t.Errorf("%d messages handled, want the 32 whose bodies were kept", handled.Load())
		}
	})
}
