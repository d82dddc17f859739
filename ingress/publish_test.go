package ingress_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
)

// manyEvents is an incoming_chat with n messages, as LiveChat posts it.
func manyEvents(chat string, n int) string {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(`{"id":"T_%d","type":"message","text":"Where is order 12345?","author_id":"ada@example.com",`+
			`"visibility":"all","created_at":"2026-03-02T09:15:04.%06dZ"}`, i, i)
	}
	return `{"webhook_id":"w","action":"incoming_chat","payload":{"chat":{"id":"` + chat + `","users":[],"thread":{"id":"T",` +
		`"created_at":"2026-03-02T09:15:00.000000Z","events":[` + strings.Join(events, ",") + `]}}}}`
}

// slowBroker takes its time for each event, one after the other, and gives up when the caller's time is over.
type slowBroker struct {
	each  time.Duration
	taken []string // the ids, in order
	calls int
}

func (s *slowBroker) publish(_ string, msgs []*message.Message) error {
	s.calls++
	for _, msg := range msgs {
		select {
		case <-time.After(s.each):
		case <-msg.Context().Done():
			return msg.Context().Err()
		}
		env, err := bus.Unmarshal(msg)
		if err != nil {
			return err
		}
		s.taken = append(s.taken, env.ID)
	}
	return nil
}

// firsts are the events in the order in which each came first.
func (s *slowBroker) firsts() (firsts []string) {
	seen := map[string]bool{}
	for _, id := range s.taken {
		if !seen[id] {
			seen[id] = true
			firsts = append(firsts, id)
		}
	}
	return firsts
}

// TestAChatOfManyEventsLands holds that an incoming_chat with more events than the broker takes in the time of a request is
// published in order over its retries: each goes on where the one before stopped, and repeats one step at most.
func TestAChatOfManyEventsLands(t *testing.T) {
	for _, n := range []int{200, 1500, 2500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				quick := &slowBroker{}
				w := newWorld(t)
				w.bus.publish = quick.publish
				body := manyEvents("many", n)
				wants(t, "a quick broker", w.post(webhookPath, body), "200")

				slow := &slowBroker{each: 5 * time.Millisecond} // 600 in the 3 s of a request
				w.bus.publish = slow.publish
				tries := 0
				for status := 0; status != 200; tries++ {
					if tries > 10 {
						t.Fatalf("not landed after %d tries", tries)
					}
					start := time.Now()
					got := w.post(webhookPath, body)
					if status = got.status; status != 200 {
						wants(t, "in between", got, "503 not_published")
						if took := time.Since(start); took != 3*time.Second {
							t.Errorf("try %d took %s", tries, took)
						}
					}
					time.Sleep(20 * time.Second) // LiveChat's own pause
				}
				if want := 1 + n/500; tries > want {
					t.Errorf("landed after %d tries, want %d", tries, want)
				}
				if got, want := strings.Join(slow.firsts(), "\n"), strings.Join(quick.taken, "\n"); got != want {
					t.Error("events are missing or out of order")
				}
				if repeated := len(slow.taken) - (n + 1); repeated > 100*(tries-1) {
					t.Errorf("%d events went out twice in %d tries", repeated, tries)
				}
				slow.each, slow.taken = 0, nil
				wants(t, "once more", w.post(webhookPath, body), "200")
				if len(slow.taken) != n+1 {
					t.Errorf("a request that had landed was not published as a whole: %d events", len(slow.taken))
				}
			})
		})
	}
}

// TestOnlyTheSameRequestGoesOn holds that nothing is left out of a request because another one was half published: of the
// same chat with one event more, or of another tenant.
func TestOnlyTheSameRequestGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		slow := &slowBroker{each: 10 * time.Millisecond}
		w.bus.publish = slow.publish
		wants(t, "half", w.post(webhookPath, manyEvents("many", 1000)), "503 not_published")
		if len(slow.taken) < 200 {
			t.Fatalf("%d events", len(slow.taken))
		}
		slow.each = 0
		another := "/webhooks/livechat/b3JnOnVzZXI6bGM"
		for name, send := range map[string]func() answer{
			"one event more": func() answer { return w.post(webhookPath, manyEvents("many", 1001)) },
			"another chat":   func() answer { return w.post(webhookPath, manyEvents("manz", 1000)) },
			"another tenant": func() answer { return w.post(another, manyEvents("many", 1000)) },
		} {
			slow.taken = nil
			wants(t, name, send(), "200")
			if len(slow.taken) < 1001 {
				t.Errorf("%s: %d events", name, len(slow.taken))
			}
		}
		time.Sleep(11 * time.Minute)
		slow.taken = nil
		wants(t, "much later", w.post(webhookPath, manyEvents("many", 1000)), "200")
		if len(slow.taken) != 1001 {
			t.Errorf("much later: %d events", len(slow.taken))
		}
	})
}
