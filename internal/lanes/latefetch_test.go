package lanes

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// longPoll is a source whose open calls are waited for when a stop begins, because giving one up would swallow the
// messages that the queue is about to answer with. SQS is one.
type longPoll struct {
	Source
	rest time.Duration // how long a call goes on after its context has ended
}

func (l longPoll) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	poll, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(l.rest, cancel)
	})()
	return l.Source.Fetch(poll, limit)
}

func (q *queue) longPoll(rest time.Duration) opener {
	return func(ctx context.Context, name string) (Source, error) {
		s, err := q.open(ctx, name)
		return longPoll{s, rest}, err
	}
}

// What comes after a stop began goes back at once, and the stop waits for it.
func TestLateDeliveriesGoBackAtOnce(t *testing.T) {
	forEach(t, subscribed(), func(t *testing.T, k kind) {
		q := newQueue(k)
		w := start(t, newEngine(t, q.longPoll(3*time.Second), func(c *Config) { c.Order = k.order }), takes(4*time.Second))
		q.publish("k")
		time.Sleep(time.Second)
		began := time.Now()
		time.AfterFunc(2*time.Second, func() { q.publish("other", "other") })
		if err := w.sub.Close(); err != nil {
			t.Error(err)
		}
		<-w.closed
		if took := time.Since(began); took > 3100*time.Millisecond {
			t.Errorf("stopped after %s, want the three seconds of the handler", took)
		}
		if len(q.returned()) != 2 || q.left() != 2 {
			t.Fatalf("handed back: %v, %d left, want the two that came late", q.returned(), q.left())
		}
		for _, h := range q.returned() {
			if h.after != 0 || h.at.Sub(began) > 2100*time.Millisecond {
				t.Errorf("handed back for %s, %s after the stop began, want at once", h.after, h.at.Sub(began))
			}
		}
	})
}

// Where a key has no order, late deliveries do not even wait for the head of their own lane.
func TestLateFollowersGoBackAtOnce(t *testing.T) {
	forEach(t, []kind{plainStream, standard}, func(t *testing.T, k kind) {
		q := newQueue(k)
		w := start(t, newEngine(t, q.longPoll(3*time.Second), func(c *Config) {
			c.Order, c.MaxMessages = k.order, 8 // what comes late is more than a lane may have
		}), takes(4*time.Second))
		q.publish("k")
		time.Sleep(time.Second)
		began := time.Now()
		time.AfterFunc(time.Second, func() { q.publish("k", "k", "k", "k", "k") })
		w.stop(t)
		want := time.Second
		if k.sorted {
			want = 3 * time.Second
		}
		if n := len(q.returned()); n != 5 {
			t.Errorf("%d handed back, want 5", n)
		}
		for _, h := range q.returned() {
			if at := h.at.Sub(began).Round(100 * time.Millisecond); at != want || h.after != 0 {
				t.Errorf("handed back after %s for %s, want after %s, at once", at, h.after, want)
			}
		}
	})
}

// A source that never answers holds a stop no longer than its phases.
func TestStopDoesNotWaitForALostFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		q.publish("k")
		w := start(t, newEngine(t, q.longPoll(24*time.Hour), func(c *Config) { c.Order = Unordered }), func(msg *message.Message) error {
			<-msg.Context().Done()
			return msg.Context().Err()
		})
		time.Sleep(time.Second)
		began := time.Now()
		if err := w.sub.Close(); err != nil {
			t.Error(err) // nothing is left unsettled: what the fetch may hold is not known
		}
		<-w.closed
		if took := time.Since(began); took > 9100*time.Millisecond {
			t.Errorf("closed after %s, want within the timeout of 5 s and 4 s more", took)
		}
		time.Sleep(25 * time.Hour) // the call ends
	})
}
