package amazon_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
)

// Faults of docs/promises.md in virtual time, with the lease of production. Their numbers are printed.

func handled(*message.Message) bool { return true }

// effects counts what an idempotent worker keeps: one for each event, however often it is delivered.
type effects struct {
	mu   sync.Mutex
	once map[string]int
}

// takes makes a handler that runs for d.
func (e *effects) takes(d time.Duration) func(*message.Message) bool {
	return func(msg *message.Message) bool {
		time.Sleep(d)
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.once == nil {
			e.once = map[string]int{}
		}
		e.once[msg.UUID] = 1
		return true
	}
}

func most(started map[string]int) int { return slices.Max(slices.Collect(maps.Values(started))) }

func TestF6SlowHandlerIsNeverStartedTwice(t *testing.T) {
	for name, fifo := range map[string]bool{"standard": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeSQS(t)
				queue := map[bool]string{false: queueName, true: fifoName}[fifo]
				for i := range 100 { // 64 run, the others wait
					f.put(queue, fakeMessage{body: "x", group: fmt.Sprint(i)})
				}
				e := fakeEngine(t, f, amazon.Config{FIFO: fifo}, nil)
				started := e.drain(t, f, queue, (&effects{}).takes(10*amazon.Visibility))
				e.stop(t)
				visible, hidden := f.count(queue)
				t.Logf("100 handlers of 10 x the visibility: started twice 0, left %d", visible+hidden)
				if len(started) != 100 || most(started) != 1 || visible+hidden != 0 {
					t.Errorf("%d messages, one of them started %d times, %d left", len(started), most(started), visible+hidden)
				}
			})
		})
	}
}

func TestF7HalfOfTheHeartbeatsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 500)
		var mu sync.Mutex
		heartbeats, refused := 0, 0
		chance := rand.New(rand.NewPCG(7, 7))
		f.refuse(func(c sqsCall) error {
			if c.Op != "ChangeMessageVisibilityBatch" || c.Entries[0].VisibilityTimeout == 0 {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			heartbeats++
			if chance.IntN(2) == 0 { // every second one would be the same messages' each time
				refused++
				return errCut
			}
			return nil
		})
		e := fakeEngine(t, f, amazon.Config{}, nil)
		var kept effects
		started := e.drain(t, f, queueName, kept.takes(5*amazon.Visibility))
		e.stop(t)
		again := 0
		for _, n := range started {
			again += n - 1
		}
		t.Logf("%d of %d heartbeats failed: 500 messages of five leases, delivered again %d, effects %d",
			refused, heartbeats, again, len(kept.once))
		// The engine tries eight times within a lease, which has 5,000 / 2^8 = 20 leases end early.
		if refused < 1000 || len(kept.once) != 500 || again > 100 {
			t.Error("want one effect each and few redeliveries")
		}
	})
}

func TestF8DeleteThatDidNothingIsRepeatedByTheRedelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 100)
		f.reject = func(c sqsCall, e sqsEntry) string {
			if c.Op == "DeleteMessageBatch" && e.ReceiptHandle[len(e.ReceiptHandle)-2:] == "#1" {
				return ignored // of the first delivery
			}
			return ""
		}
		e := fakeEngine(t, f, amazon.Config{}, nil)
		var kept effects
		started := e.drain(t, f, queueName, kept.takes(time.Second))
		e.stop(t)
		visible, hidden := f.count(queueName)
		t.Logf("100 deletes answered OK and did nothing: %d effects, left %d", len(kept.once), visible+hidden)
		if len(kept.once) != 100 || most(started) != 2 || visible+hidden != 0 {
			t.Errorf("%d effects, started %d times, %d left", len(kept.once), most(started), visible+hidden)
		}
	})
}

func TestF14StopUnderLoadLeavesNothingHidden(t *testing.T) {
	for name, fifo := range map[string]bool{"standard": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeSQS(t)
				queue := map[bool]string{false: queueName, true: fifoName}[fifo]
				for i := range 2000 {
					f.put(queue, fakeMessage{body: "x", group: fmt.Sprint(i % 100)})
				}
				e := fakeEngine(t, f, amazon.Config{FIFO: fifo}, func(c *lanes.Config) { c.MaxMessages = 256 })
				work := (&effects{}).takes(50 * time.Millisecond)
				var handlers sync.WaitGroup
				handled := 0
				for range 500 {
					msg := <-e.messages
					handled++
					handlers.Go(func() {
						work(msg)
						msg.Ack()
					})
				}
				begun := time.Now()
				e.stop(t)
				handlers.Wait()
				visible, hidden := f.count(queue)
				t.Logf("stopped in %s under load: handled %d, orphaned %d of 2000", time.Since(begun), handled, hidden)
				if hidden != 0 || visible != 2000-handled {
					t.Errorf("%d visible and %d hidden, want %d and 0", visible, hidden, 2000-handled)
				}
			})
		})
	}
}
