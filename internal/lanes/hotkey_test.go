package lanes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/livepipe/livepipe/messages"
)

// A standard queue with thousands of messages of one key: what the lane cannot take goes back until its turn, and no message
// comes near the hundredth receive, after which SQS would move it to the dead letters.
func TestHotKeyStaysFarFromTheReceiveLimit(t *testing.T) {
	tests := []struct {
		messages int
		each     time.Duration
	}{
		{10_000, 5 * time.Millisecond},
		{5_000, 100 * time.Millisecond},
		{1_000, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d of %s each", tt.messages, tt.each), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(standard)
				j := newJournal(q)
				d := &dice{rng: rand.New(rand.NewPCG(3, 0))}
				q.publish(keys(tt.messages, 1)...)
				began := time.Now()
				sub := q.engine(t, func(c *Config) { c.Rand = d.float })
				w := start(t, sub, j.watch(takes(tt.each)))
				q.drained()
				took, best := time.Since(began), time.Duration(tt.messages)*tt.each
				w.stop(t)
				j.check(t)
				j.checkOnce(t)
				sum := 0
				for _, e := range q.entries {
					sum += e.received
				}
				t.Logf("took %s, handlers alone %s; received at most %d times, %.1f on average; %d calls to extend",
					took, best, q.mostReceived(), float64(sum)/float64(tt.messages), q.called("extend"))
				passedOver := testutil.ToFloat64(sub.metrics.retries.WithLabelValues("history", "crowded"))
				if int(passedOver) != sum-tt.messages {
					t.Errorf("%v counted as passed over, want %d", passedOver, sum-tt.messages)
				}
				if q.mostReceived() > 33 {
					t.Errorf("a message was received %d times, more than a third of the limit", q.mostReceived())
				}
				if took > best*3/2 {
					t.Errorf("took %s, more than 1.5 times the handlers' %s", took, best)
				}
			})
		})
	}
}

// In an outage intake looks for another lane to be the next probe. A hot key is not received over and over for that.
func TestOutageDoesNotTurnOverAHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		j := newJournal(q)
		q.publish(keys(5_000, 1)...)
		began := time.Now()
		w := start(t, q.engine(t, func(c *Config) { c.MaxMessages = 128 }), j.watch(func(*message.Message) error {
			if time.Since(began) < 10*time.Minute {
				return messages.Unavailable(errors.New("store down"))
			}
			return nil
		}))
		time.Sleep(time.Second)
		before := q.called("fetch")
		time.Sleep(9 * time.Minute)
		if n := q.called("fetch") - before; n > 9*60+10 {
			t.Errorf("%d calls to fetch in nine minutes, want about one a second", n)
		}
		q.drained()
		w.stop(t)
		j.check(t)
	})
}

// The pace of a lane is what its excess is given its turns by.
func TestPace(t *testing.T) {
	p := pace{}
	if got := p.turn(32, 0, time.Minute); got != 0 {
		t.Errorf("turn %s while nothing is known, want none", got)
	}
	for i := range 20 {
		at := time.Hour + time.Duration(i)*time.Second
		p.finished(at-time.Second, at)
	}
	now := time.Hour + 20*time.Second
	for i, want := range []time.Duration{17 * time.Second, 18 * time.Second, 19 * time.Second} {
		if got := p.turn(32, now, time.Minute); got != want {
			t.Errorf("turn %d in %s, want %s: half of the 32 ahead, and one after the other", i, got, want)
		}
	}
	for range 1_000 {
		if got := p.turn(32, now, time.Minute); got > time.Minute {
			t.Fatalf("turn in %s, more than the bound", got)
		}
	}
	if got := p.turn(32, now+time.Minute, time.Minute); got != 17*time.Second {
		t.Errorf("turn in %s after the bound has passed, want 17s again", got)
	}
}
