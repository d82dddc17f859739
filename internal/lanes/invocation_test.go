package lanes

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/livepipe/livepipe/messages"
)

// Whatever stops the head of a lane in an invocation, the head and all behind it go back at once, to be visible at the
// same time; the other lanes go on.
func TestFailureHandsItsLaneBack(t *testing.T) {
	down := errors.New("down")
	tests := map[string]struct {
		err   error
		after time.Duration
	}{
		"counted":   {errHandler, 500 * time.Millisecond},
		"postponed": {messages.Postpone(time.Minute, down), time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			forEach(t, []kind{lambdaFIFO, lambdaStandard}, func(t *testing.T, k kind) {
				q := newQueue(k)
				j := newJournal(q)
				q.publish("a", "b", "a", "b", "a", "b")
				began := time.Now()
				var failed string // the head of its lane
				w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
					time.Sleep(10 * time.Millisecond)
					if keyOf(msg) == "a" && (failed == "" || failed == msg.UUID) && time.Since(began) < tt.after {
						failed = msg.UUID
						return tt.err
					}
					return nil
				}))
				time.Sleep(100 * time.Millisecond)
				if left := q.left(); left != 3 {
					t.Errorf("%d messages left, want the three of the failed lane", left)
				}
				if len(q.returned()) != 3 {
					t.Fatalf("handed back: %v, want the failed lane", q.returned())
				}
				for _, h := range q.returned() {
					// The time that a call to settle was waited for is taken off.
					if h.key != "a" || h.after.Round(10*time.Millisecond) != tt.after || h.at.Sub(began) > 20*time.Millisecond {
						t.Errorf("handed back: %v, want %s for each message of a, at once", h, tt.after)
					}
				}
				last := q.returned()[2]
				if fmt.Sprintf("%s-%d", last.key, last.n) != failed {
					t.Errorf("%v was handed back last, want the head %s", last, failed)
				}
				q.drained()
				w.stop(t)
				j.check(t)
			})
		})
	}
}

// An outage hands back what does not run, also behind heads that run. Nothing of it is left for the next batch: no pause,
// no attempt, no lease.
func TestOutageHandsTheBatchBack(t *testing.T) {
	forEach(t, []kind{lambdaFIFO, lambdaStandard}, func(t *testing.T, k kind) {
		q := newQueue(k)
		j := newJournal(q)
		q.publish("a", "b", "b", "b", "c", "c")
		began := time.Now()
		var down atomic.Bool
		down.Store(true)
		sub := q.engine(t, func(c *Config) { c.Concurrency = 2 })
		w := start(t, sub, j.watch(func(msg *message.Message) error {
			if n := Attempt(msg.Context()); n != 1 {
				t.Errorf("%s: attempt %d, want none counted", msg.UUID, n)
			}
			if !down.Load() {
				return nil
			}
			switch keyOf(msg) {
			case "a":
				time.Sleep(100 * time.Millisecond)
			case "b", "c": // the first of them runs beside a, and may finish
				time.Sleep(200 * time.Millisecond)
				return nil
			}
			return messages.Unavailable(errors.New("store down"))
		}))
		time.Sleep(150 * time.Millisecond)
		if len(q.returned()) != 5 {
			t.Errorf("handed back: %v, want five: all but the one that runs", q.returned())
		}
		time.Sleep(100 * time.Millisecond)
		if left := q.left(); left != 5 {
			t.Errorf("%d messages left, want five", left)
		}
		if n := testutil.ToFloat64(sub.metrics.heldMessages.WithLabelValues("history")); n != 0 {
			t.Errorf("%v leases held after the batch", n)
		}
		if testutil.ToFloat64(sub.metrics.paused.WithLabelValues("history")) != 0 {
			t.Error("the subscription is paused")
		}
		q.publish("fresh")
		time.Sleep(10 * time.Millisecond)
		if j.startsOf("fresh-0") != 1 {
			t.Error("the next batch was not started at once")
		}
		down.Store(false)
		q.drained()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("drained after %s", took)
		}
		w.stop(t)
		j.check(t)
	})
}

// What is offered when the outage begins, and nobody has taken yet, goes back and is not taken any more.
func TestOutageWithdrawsWhatIsOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(lambdaStandard)
		q.publish("a", "b")
		sub := q.engine(t, nil)
		channel, err := sub.Subscribe(t.Context(), "history")
		if err != nil {
			t.Fatal(err)
		}
		first := <-channel
		synctest.Wait() // the second is offered
		Fail(first.Context(), messages.Unavailable(errors.New("store down")))
		first.Nack()
		synctest.Wait()
		select {
		case msg := <-channel:
			t.Errorf("%s was started although it goes back", msg.UUID)
			msg.Ack()
		case <-time.After(100 * time.Millisecond):
		}
		for range 2 {
			(<-channel).Ack()
		}
		q.drained()
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An outage of a day is far from the hundredth receive, and an outage of a minute is over soon after its end.
func TestOutagesOfInvocationsStayFarFromTheReceiveLimit(t *testing.T) {
	for _, lasts := range []time.Duration{time.Minute, 24 * time.Hour} {
		t.Run(lasts.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(lambdaFIFO)
				j := newJournal(q)
				q.publish(keys(30, 5)...)
				began := time.Now()
				w := start(t, q.engine(t, nil), j.watch(func(*message.Message) error {
					if time.Since(began) < lasts {
						return messages.Unavailable(errors.New("store down"))
					}
					return nil
				}))
				q.drained()
				late := time.Since(began) - lasts
				w.stop(t)
				j.check(t)
				t.Logf("received at most %d times, drained %s after its end", q.mostReceived(), late)
				if q.mostReceived() > 50 || late > max(lasts/5, 90*time.Second) {
					t.Errorf("received at most %d times, drained %s after its end", q.mostReceived(), late)
				}
			})
		})
	}
}

// Followers of a failed head do not run in the same batch, in whatever order the lanes finish.
func TestInvocationKeepsTheOrderOfAFailedLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(lambdaFIFO)
		j := newJournal(q)
		q.publish(slices.Repeat([]string{"a"}, 10)...)
		w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
			if nOf(msg) == 4 && Attempt(msg.Context()) < 3 {
				return errHandler
			}
			return nil
		}))
		q.drained()
		w.stop(t)
		j.check(t)
		if j.startsOf("a-4") != 3 || j.startsOf("a-5") != 1 {
			t.Errorf("a-4 was started %d times, a-5 %d times, want 3 and 1", j.startsOf("a-4"), j.startsOf("a-5"))
		}
	})
}
