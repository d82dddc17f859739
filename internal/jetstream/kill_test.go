package jetstream_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/jetstream"
)

// TestKilledBrokerKeepsEveryAcknowledgedEvent kills the broker with SIGKILL again and again while 16 publishers, one
// lane each, publish number after number, each until it is acknowledged; two of them twenty at once.
func TestKilledBrokerKeepsEveryAcknowledgedEvent(t *testing.T) {
	const publishers, kills, acksPerKill = 16, 10, 1500
	broker := startBroker(t)
	b := openBus(t, jetstream.Config{URL: broker.url()})

	acked := make(chan struct{})
	done := make(chan struct{})
	counts := make([]int, publishers)
	var wg sync.WaitGroup
	for p := range publishers {
		size := 1
		if p%8 == 0 {
			size = 20
		}
		wg.Go(func() { counts[p] = publishUntil(done, b, fmt.Sprint(p), size, acked) })
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

	log := arrivals{next: make(map[string]int)}
	log.drain(t, b, "history")
	total := 0
	for p, n := range counts {
		total += n
		log.lost += max(0, n-log.next[fmt.Sprint(p)])
	}
	if log.lost > 0 {
		t.Errorf("%d acknowledged events are lost", log.lost)
	}
	t.Logf("%d kills, %d events acknowledged, lost %d, sent again %d", kills, total, log.lost, log.doubled)
}

// TestKilledBrokerKeepsEventsWhileItTrims kills the broker while what two queues have acknowledged is deleted all the time.
func TestKilledBrokerKeepsEventsWhileItTrims(t *testing.T) {
	const publishers, kills, acksPerKill = 4, 5, 300
	broker := startBroker(t)
	b := openBus(t, jetstream.Config{URL: broker.url()}.TrimmingEvery(time.Millisecond))

	acked, done := make(chan struct{}), make(chan struct{})
	counts := make([]int, publishers)
	var publishing, consuming sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() { counts[p] = publishUntil(done, b, fmt.Sprint(p), 1, acked) })
	}
	published := make(chan struct{}) // then counts are final
	logs := make([]arrivals, len(table))
	for i, q := range table {
		logs[i].next = make(map[string]int)
		consuming.Go(func() {
			consume(t, b, q.Name, &logs[i], func() bool {
				select {
				case <-published:
				default:
					return false
				}
				for p, n := range counts {
					if logs[i].next[fmt.Sprint(p)] < n {
						return false
					}
				}
				return true
			})
		})
	}
	for range kills {
		for range rand.IntN(acksPerKill) {
			<-acked
		}
		broker.kill()
		broker.start()
	}
	<-acked
	close(done)
	publishing.Wait()
	close(published)
	publishRange(t, b, "last", 0, 1) // wakes up those who wait for more
	consuming.Wait()
	t.Logf("%d kills, accepted %v", kills, counts)
}

// publishUntil publishes so many events of the lane at once and returns how many were acknowledged.
func publishUntil(done <-chan struct{}, b *jetstream.Bus, lane string, size int, acked chan<- struct{}) int {
	for n := 0; ; {
		batch := make([]*message.Message, size)
		for i := range batch {
			batch[i] = event(lane, n+i)
		}
		if b.Publisher().Publish(topic, batch...) == nil {
			n += size // otherwise the same numbers again, as LiveChat would send them again
			select {
			case acked <- struct{}{}:
			case <-done:
			}
		}
		select {
		case <-done:
			return n
		default:
		}
	}
}

// arrivals counts what comes out of a queue, lane by lane.
type arrivals struct {
	next          map[string]int // number that must come first
	lost, doubled int
}

func (a *arrivals) drain(t *testing.T, b *jetstream.Bus, queue string) {
	t.Helper()
	s := openSource(t, b, queue)
	for {
		backlog, err := b.Backlog(t.Context(), queue)
		if err != nil {
			t.Fatal(err)
		}
		if backlog.Messages == 0 {
			return
		}
		batch := receive(t, s, int(min(backlog.Messages, 100)))
		for _, p := range payloads(batch) {
			a.see(t, p)
		}
		ackAll(t, s, batch)
	}
}

func (a *arrivals) see(t *testing.T, payload string) {
	t.Helper()
	var n int
	var lane string
	if _, err := fmt.Sscan(payload, &lane, &n); err != nil {
		t.Fatal(err)
	}
	switch want := a.next[lane]; {
	case n < want:
		a.doubled++ // accepted before the kill, and sent again because the answer got lost
	case n > want:
		t.Errorf("lane %s: %d comes before %d", lane, n, want)
		a.lost += n - want
		a.next[lane] = n + 1
	default:
		a.next[lane]++
	}
}
