package lanes

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// In a standard queue a failed head goes back with its delay, and its followers run at once.
func TestFollowersPassAFailedHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		j := newJournal(q)
		q.publish(keys(20, 1)...)
		var order []string
		began := time.Now()
		w := start(t, q.engine(t, nil), j.watch(func(msg *message.Message) error {
			order = append(order, msg.UUID)
			if nOf(msg) == 7 && Attempt(msg.Context()) == 1 {
				return errHandler
			}
			return nil
		}))
		time.Sleep(100 * time.Millisecond)
		if left := q.left(); left != 1 {
			t.Errorf("%d messages left after 100 ms, want the failed one", left)
		}
		q.drained()
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("drained after %s, want the second that SQS makes of 500 ms", took)
		}
		w.stop(t)
		j.check(t)
		if first := slices.Index(order, "k0-7"); order[len(order)-1] != "k0-7" || first == len(order)-1 {
			t.Errorf("order of starts: %v", order)
		}
		if len(q.returned()) != 1 || q.returned()[0].after < 490*time.Millisecond || q.returned()[0].after > 500*time.Millisecond {
			t.Errorf("handed back: %v, want one with 500 ms from the failure", q.returned())
		}
	})
}

// A message that always postpones itself, by nothing or by a minute, needs hours for the hundred receives after which
// SQS would take it for poison, whatever the dice say.
func TestPostponementsStayFarFromTheReceiveLimit(t *testing.T) {
	for name, asked := range map[string]time.Duration{"zero": 0, "a minute": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(standard)
				q.publish("k")
				w := start(t, q.engine(t, func(c *Config) { c.Rand = func() float64 { return 0 } }), func(msg *message.Message) error {
					if n := Attempt(msg.Context()); n != 1 {
						t.Errorf("attempt %d, want none counted", n)
					}
					return messages.Postpone(asked, errors.New("circuit open"))
				})
				time.Sleep(5 * time.Hour)
				t.Logf("received %d times in 5 hours", q.mostReceived())
				if q.mostReceived() >= 100 {
					t.Errorf("received %d times in 5 hours", q.mostReceived())
				}
				w.stop(t)
				for _, h := range q.returned()[:len(q.returned())-1] {
					if h.after < asked*99/100 {
						t.Errorf("handed back for %s, asked for %s", h.after, asked)
					}
				}
			})
		})
	}
}

// Failures that are counted elsewhere or were forgotten still make the delay grow, by the broker's count.
func TestForgottenFailuresDoNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		q.publish("k")
		var sub *Subscriber
		sub = newEngine(t, func(ctx context.Context, name string) (Source, error) {
			s, err := q.open(ctx, name)
			return forgetful{s, sub}, err
		}, func(c *Config) { c.Order = Unordered })
		w := start(t, sub, func(msg *message.Message) error {
			if n := Attempt(msg.Context()); n != 1 {
				t.Errorf("attempt %d was not forgotten", n)
			}
			return errHandler
		})
		time.Sleep(4 * time.Hour)
		w.stop(t)
		t.Logf("received %d times in 4 hours", q.mostReceived())
		if q.mostReceived() > 70 {
			t.Errorf("received %d times in 4 hours", q.mostReceived())
		}
	})
}

// forgetful forgets all failures before each delivery.
type forgetful struct {
	Source
	sub *Subscriber
}

func (f forgetful) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	batch, err := f.Source.Fetch(ctx, limit)
	f.sub.attempts["history"].failures.Purge()
	return batch, err
}

// Counted failures outlive a subscription, as long as the process does.
func TestAttemptsOutliveASubscription(t *testing.T) {
	forEach(t, []kind{standard, lambdaFIFO}, func(t *testing.T, k kind) {
		q := newQueue(k)
		q.publish("k")
		sub := q.engine(t, nil)
		for attempt := 1; attempt <= 3; attempt++ {
			ctx, stop := context.WithCancel(t.Context())
			messages, err := sub.Subscribe(ctx, "history")
			if err != nil {
				t.Fatal(err)
			}
			msg := <-messages
			if got := Attempt(msg.Context()); got != attempt {
				t.Errorf("attempt %d, want %d", got, attempt)
			}
			msg.Nack()
			synctest.Wait()
			stop()
			<-messages
		}
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What is handed back while an extension of it is under way waits for that: the extension would hide it for a lease.
func TestDelayWaitsForItsExtension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		var extended time.Time
		q.faults.extend = func() error {
			time.Sleep(2 * time.Second)
			extended = time.Now()
			return nil
		}
		q.publish("k", "other")
		began := time.Now()
		w := start(t, q.engine(t, nil), func(msg *message.Message) error {
			if keyOf(msg) == "k" && Attempt(msg.Context()) == 1 {
				time.Sleep(testLease/2 + time.Second) // its extension has begun
				return errHandler
			}
			return nil
		})
		q.drained()
		w.stop(t)
		if extended.IsZero() || len(q.returned()) != 1 || q.returned()[0].at.Before(extended) {
			t.Errorf("handed back: %v, extended at %s", q.returned(), extended)
		}
		if took := time.Since(began); took > testLease {
			t.Errorf("handled again after %s: it was hidden for a lease", took)
		}
	})
}
