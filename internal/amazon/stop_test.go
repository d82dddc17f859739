package amazon_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/lanes"
)

// After a stop under load, whatever was not handled can be received at once by somebody else.
func TestF14StopLeavesNothingWaiting(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		const n = 500
		b := p.quick().openBus()
		msgs := make([]*message.Message, n)
		for i := range msgs {
			msgs[i] = message.NewMessage(fmt.Sprint(i), []byte("x"))
			msgs[i].Metadata.Set(bus.MetadataLane, fmt.Sprint(i%100))
		}
		p.check(b.SendToQueue("history", msgs...))
		e := startEngine(t, b, nil)
		var handlers sync.WaitGroup
		for range n / 4 {
			msg := <-e.messages
			handlers.Go(func() {
				<-time.After(20 * time.Millisecond)
				msg.Ack()
			})
		}
		begun := time.Now()
		e.stop(t)
		took := time.Since(begun)
		handlers.Wait()
		counts := p.queueAttributes("history")
		begun = time.Now()
		rest := len(p.receive("history", n-n/4))
		if waited := time.Since(begun); waited > amazon.Visibility {
			t.Errorf("another received the rest after %s", waited)
		}
		t.Logf("stopped in %s: handled %d of %d, received at once by another %d, orphaned %d", took, n/4, n, rest, n-n/4-rest)
		if counts["ApproximateNumberOfMessagesNotVisible"] != "0" || rest != n-n/4 {
			t.Errorf("after the stop %s are hidden", counts["ApproximateNumberOfMessagesNotVisible"])
		}
	})
}

// F6 against a queue that really shows its messages again: a lease of 2 s, a handler of 20 s.
func TestF6AgainstSQS(t *testing.T) {
	p := newPlace(t, false).quick()
	b := p.openBus()
	for i := range 20 {
		p.check(b.SendToQueue("history", message.NewMessage(fmt.Sprint(i), []byte("x"))))
	}
	lease := 2 * time.Second
	e := startEngine(t, b, func(c *lanes.Config) { c.Lease = lease })
	ctx, cancel := context.WithTimeout(t.Context(), 10*lease)
	defer cancel()
	started := e.handle(t, lease, func() bool { return ctx.Err() != nil }, func(*message.Message) bool {
		<-ctx.Done()
		return true
	})
	e.stop(t)
	left, err := b.Backlog(t.Context(), "history")
	t.Logf("20 handlers of 10 x the visibility: started at most %d times, left %d", most(started), left)
	if len(started) != 20 || most(started) != 1 || left != 0 || err != nil {
		t.Errorf("%d messages, one of them started %d times, %d left, %v", len(started), most(started), left, err)
	}
}
