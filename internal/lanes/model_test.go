package lanes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// TestModel runs engines one after the other on one queue under random outcomes, faults, stops and crashes, and
// holds what no accident may break: per key the order of first successes, if the queue has one, nothing lost, never two
// of a key in flight in one engine. The seed in the name of a failed run repeats it.
func TestModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			forEach(t, allKinds(), func(t *testing.T, k kind) { runModel(t, k, seed) })
		})
	}
}

// dice is a seeded random source for many goroutines.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (d *dice) upTo(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

func (d *dice) chance(percent int) bool { return d.upTo(100) < percent }

func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Float64()
}

func (d *dice) fault(percent int) func() error {
	return func() error {
		if d.chance(percent) {
			return errFault
		}
		return nil
	}
}

func runModel(t *testing.T, k kind, seed uint64) {
	d := &dice{rng: rand.New(rand.NewPCG(seed, 0))}
	q := newQueue(k)
	j := newJournal(q)
	q.faults = faults{
		fetch: d.fault(d.upTo(20)), settle: d.fault(d.upTo(40)),
		extend: d.fault(d.upTo(60)), reread: d.fault(d.upTo(30)),
		lose: func() bool { return d.chance(3) },
	}
	change := func(c *Config) {
		c.Rand = d.float
		c.Concurrency = 1 + d.upTo(16)
		c.MaxMessages = 4 + d.upTo(60)
		c.LargestMessage = 1000
		c.MaxReceipts = 64 + d.upTo(500)
		c.BodiesPerKey = 1 + d.upTo(8)
		c.SettleBatch = d.upTo(12)
		c.SettleLinger = time.Duration(d.upTo(2_000)) * time.Millisecond
	}
	nKeys := 1 + d.upTo(12)
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for range 400 {
			q.publish(fmt.Sprintf("k%d", min(d.upTo(nKeys), d.upTo(nKeys))))
			if d.chance(20) {
				time.Sleep(time.Duration(d.upTo(2000)) * time.Millisecond)
			}
		}
	})
	var crashed sync.WaitGroup
	for range d.upTo(5) {
		w := start(t, q.engine(t, change), j.watch(d.handle))
		time.Sleep(time.Duration(d.upTo(120_000)) * time.Millisecond)
		if d.chance(50) {
			_ = w.sub.Close() // may report what faults left unsettled
		}
		if d.chance(30) {
			q.kill()
		}
		// Else it goes on beside the next one, which may have taken the queue over from it.
		crashed.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(d.upTo(60))*time.Second)
			defer cancel()
			_ = w.sub.Stop(ctx)
			<-w.closed
		})
	}
	publishing.Wait()
	w := start(t, q.engine(t, change), j.watch(d.handle))
	q.drained()
	_ = w.sub.Close()
	<-w.closed
	crashed.Wait()
	j.check(t)
}

// handle takes a random time and has a random outcome; it may outlive its context.
func (d *dice) handle(msg *message.Message) error {
	wait := time.Duration(d.upTo(50)) * time.Millisecond
	if d.chance(2) {
		wait = time.Duration(d.upTo(90)) * time.Second
	}
	if d.chance(50) {
		select {
		case <-time.After(wait):
		case <-msg.Context().Done():
			return msg.Context().Err()
		}
	} else {
		time.Sleep(wait)
	}
	switch n := d.upTo(100); {
	case n < 2:
		return messages.Unavailable(errors.New("store down"))
	case n < 5:
		return messages.Postpone(time.Duration(d.upTo(20))*time.Second, errors.New("cooling down"))
	case n < 12:
		return errHandler
	default:
		return nil
	}
}
