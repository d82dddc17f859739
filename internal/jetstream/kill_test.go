package jetstream_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/livepipe/livepipe/internal/jetstream"
)

// TestKilledBrokerKeepsEveryAcknowledgedEvent kills the broker with SIGKILL again and again while 16 publishers, one
// lane each, publish number after number, each until it is acknowledged.
func TestKilledBrokerKeepsEveryAcknowledgedEvent(t *testing.T) {
	const publishers, kills, acksPerKill = 16, 10, 1500
	broker := startBroker(t)
	b := openBus(t, jetstream.Config{URL: broker.url()})

	acked := make(chan struct{})
	done := make(chan struct{})
	counts := make([]int, publishers)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if b.Publisher().Publish(topic, event(fmt.Sprint(p), counts[p])) != nil {
					continue // not acknowledged: the same number again, as LiveChat would send it again
				}
				counts[p]++
				select {
				case acked <- struct{}{}:
				case <-done:
				}
			}
		})
	}
	for range kills {
		for range rand.IntN(acksPerKill) { // the random moment is one in the broker's progress
			<-acked
		}
		broker.kill()
		broker.start()
	}
	<-acked // the last one is up and takes events again
	close(done)
	wg.Wait()

	total := 0
	for _, n := range counts {
		total += n
	}
	lost, doubled := 0, 0
	next := make(map[string]int) // lane -> number that must come first
	s := openSource(t, b, "history")
	for {
		backlog, err := b.Backlog(t.Context(), "history")
		if err != nil {
			t.Fatal(err)
		}
		if backlog.Messages == 0 {
			break
		}
		batch := receive(t, s, 1)
		for _, d := range batch {
			var n int
			var lane string
			if _, err := fmt.Sscan(string(d.Message.Payload), &lane, &n); err != nil {
				t.Fatal(err)
			}
			switch {
			case n < next[lane]:
				doubled++ // accepted before the kill, and sent again because the answer got lost
			case n > next[lane]:
				t.Errorf("lane %s: %d comes before %d", lane, n, next[lane])
				lost += n - next[lane]
				next[lane] = n + 1
			default:
				next[lane]++
			}
		}
		ackAll(t, s, batch)
	}
	for p, n := range counts {
		lost += max(0, n-next[fmt.Sprint(p)])
	}
	if lost > 0 {
		t.Errorf("%d acknowledged events are lost", lost)
	}
	t.Logf("%d kills, %d events acknowledged, lost %d, sent again %d", kills, total, lost, doubled)
}
