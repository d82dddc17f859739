package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

// One event of a hundred is poison: it does not decode, panics or always fails. The others keep their pace.
func TestPoisonHoldsUpNobody(t *testing.T) {
	const events = 3000
	p99 := map[bool]time.Duration{}
	for _, poisoned := range []bool{false, true} {
		var mu sync.Mutex
		sent, done := map[string]time.Time{}, map[string]time.Duration{}
		handle := func(_ context.Context, env messages.Envelope, e messages.MessageReceived) error {
			time.Sleep(20 * time.Millisecond) // virtual
			switch e.ChatID {
			case "panics":
				panic(secretText)
			case "fails":
				return errors.New(secretText)
			}
			mu.Lock()
			defer mu.Unlock()
			done[env.ID] = time.Since(sent[env.ID])
			return nil
		}
		runWith(t, handle, func(b *bench) {
			for i := range events {
				msg := received(t, fmt.Sprint("chat-", i))
				if poison := i%100 == 50; poison && poisoned {
					msg = poisonous(t, i)
				} else if !poison {
					mu.Lock()
					sent[msg.UUID] = time.Now()
					mu.Unlock()
				}
				b.queue.Put(msg)
				time.Sleep(time.Millisecond) // 20 handlers of 64 are busy
			}
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if got := len(b.dead.dead["history"]); poisoned && got != events/100 {
				t.Errorf("%d dead letters, want %d", got, events/100)
			}
			if b.queue.Acked() != events {
				t.Errorf("%d of %d acknowledged", b.queue.Acked(), events)
			}
		})
		var took []time.Duration
		for id := range sent {
			took = append(took, done[id])
		}
		slices.Sort(took)
		p99[poisoned] = took[len(took)*99/100]
	}
	t.Logf("p99 of the neighbours: %s clean, %s beside poison", p99[false], p99[true])
	if p99[true] > p99[false]*3/2 {
		t.Errorf("p99 of the neighbours rose from %s to %s", p99[false], p99[true])
	}
}

func poisonous(t *testing.T, i int) *message.Message {
	t.Helper()
	id := fmt.Sprint("poison-", i)
	if i%300 == 50 {
		msg := message.NewMessage(id, []byte("no JSON"))
		msg.Metadata.Set(bus.MetadataLane, id)
		return msg
	}
	chat := "panics"
	if i%300 == 150 {
		chat = "fails"
	}
	env, err := messages.Seal(messages.MessageReceived{
		Origin:  messages.Origin{Channel: "livechat", Chat: messages.Chat{Tenant: messages.Tenant{Org: "o", LiveChat: "l"}, ChatID: chat}},
		Message: messages.Message{ID: id, CreatedAt: "2026-01-02T03:04:05Z"},
	}, time.Now(), "")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := bus.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// TestDeadLetterThatNobodyTakes: a message that cannot even be set aside waits in its lane; the others go on.
func TestDeadLetterThatNobodyTakes(t *testing.T) {
	runWith(t, func(_ context.Context, _ messages.Envelope, e messages.MessageReceived) error {
		if e.Message.ID == "huge" {
			return messages.Permanent(messages.ReasonRefused, errors.New("no"))
		}
		return nil
	}, func(b *bench) {
		b.dead.refuses = messages.Permanent("too_large", errors.New("too large"))
		b.queue.Put(received(t, "huge"))
		time.Sleep(time.Minute)
		var others []*message.Message
		for _, id := range []string{"a", "b", "c"} {
			others = append(others, received(t, id))
		}
		b.queue.Put(others...)
		synctest.Wait()
		if got := b.queue.Acked(); got != 3 {
			t.Errorf("%d of the 3 others are handled", got)
		}
	})
}
