package jetstream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/internal/lanes"
)

// consume acknowledges batch after batch, each in random order, and counts until every lane has its events.
func consume(t *testing.T, b *jetstream.Bus, queue string, log *arrivals, enough func() bool) {
	s := openSource(t, b, queue)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !enough() {
		batch, err := s.Fetch(ctx, 1+rand.IntN(50))
		if ctx.Err() != nil {
			t.Errorf("%s waits for events that are gone: next are %v, then: %v", queue, log.next, err)
			return
		}
		for _, p := range payloads(batch) {
			log.see(t, p)
		}
		rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		for _, d := range batch {
			s.Settle(ctx, []lanes.Settlement{{Receipt: d.Receipt, Action: lanes.Ack}}) // after an error it comes again
		}
	}
}

// TestTrimNeverDeletesWhatIsNotAcknowledged trims all the time, from two processes' buses, while 4 lanes are published
// and two queues acknowledge in random order. The broker restarts meanwhile.
func TestTrimNeverDeletesWhatIsNotAcknowledged(t *testing.T) {
	const publishers, events = 4, 500
	for _, restarts := range []int{0, 3} {
		t.Run(fmt.Sprintf("%d restarts", restarts), func(t *testing.T) {
			server := startServer(t, jetstream.ServerConfig{})
			cfg := jetstream.Config{Server: server}.TrimmingEvery(time.Millisecond)
			b, other := openBus(t, cfg), openBus(t, cfg)
			var wg sync.WaitGroup
			accepted := make(chan struct{}, publishers*events)
			for p := range publishers {
				wg.Go(func() {
					for n := 0; n < events; {
						if b.Publisher().Publish(topic, event(fmt.Sprint(p), n)) == nil {
							n++
							accepted <- struct{}{}
						}
					}
				})
			}
			for i, q := range table {
				log := &arrivals{next: make(map[string]int)}
				wg.Go(func() {
					consume(t, []*jetstream.Bus{b, other}[i], q.Name, log, func() bool {
						total := 0
						for _, n := range log.next {
							total += n
						}
						return total == publishers*events
					})
				})
			}
			for i := range publishers * events {
				<-accepted
				if restarts > 0 && i%(publishers*events/restarts) == events/2 {
					if err := server.Restart(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			wg.Wait()
			trim(t, b)
			if left := eventSubjects(t, b)[eventSubject]; left > 1 {
				t.Errorf("%d events are still on disk", left)
			}
		})
	}
}
