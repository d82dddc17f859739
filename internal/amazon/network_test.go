package amazon_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
)

// The faults of a network, as toxiproxy words them. A timeout of 0 is a black hole: nothing comes back and nothing ends.
var toxics = map[string]string{
	"2 s latency":        `{"name":"t","type":"latency","stream":"downstream","attributes":{"latency":2000}}`,
	"resets":             `{"name":"t","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`,
	"black hole":         `{"name":"t","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`,
	"one byte at a time": `{"name":"t","type":"slicer","stream":"downstream","attributes":{"average_size":1,"delay":10}}`,
}

// While the network misbehaves, engine and publisher are bounded. When it is well again everything arrives, and nothing
// stays behind.
func TestF17NetworkFaultsLeaveNothingBehind(t *testing.T) {
	for name, toxic := range toxics {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, false).quick()
			proxy := p.throughProxy()
			p.openBus()
			before, heapBefore := settledGoroutines(p, 0), heap()
			most := p.underToxic(proxy, toxic)
			after, heapAfter := settledGoroutines(p, before), heap()
			t.Logf("goroutines: %d before, at most %d during, %+d after; heap %+d KiB",
				before, most, after-before, (heapAfter-heapBefore)>>10)
			// 200 publishers, and six goroutines of the proxy for each of some 40 connections.
			if most > before+700 || after > before || heapAfter > heapBefore+4<<20 {
				t.Error("goroutines or memory are not bounded, or stay behind")
			}
		})
	}
}

// underToxic publishes and handles 200 messages over a bus of its own, poisoned from the middle on and for a while. It
// returns the most goroutines that it saw.
func (p *place) underToxic(proxy *toxiproxy.Proxy, toxic string) int {
	p.t.Helper()
	const n, ill = 200, 3 * time.Second
	b, err := amazon.Open(p.t.Context(), p.cfg)
	p.check(err)
	e := startEngine(p.t, b, func(c *lanes.Config) { c.Lease = 5 * time.Second })
	var mu sync.Mutex
	kept := map[string]bool{}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(kept)
	}
	var publishing sync.WaitGroup
	publisher := b.Publisher()
	for i := range n {
		publishing.Go(func() {
			if i >= n/2 {
				<-time.After(time.Duration(i) * ill / n) // over the time of the fault
			}
			msg := message.NewMessage(fmt.Sprint(i), []byte("x"))
			for publisher.Publish("message", msg) != nil {
			}
		})
	}
	var well <-chan time.Time
	most := 0
	e.handle(p.t, 100*time.Millisecond, func() bool {
		most = max(most, runtime.NumGoroutine())
		switch {
		case well == nil && count() >= n/4:
			_, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
			p.check(err)
			well = time.After(ill)
		case well != nil:
			select {
			case <-well:
				p.check(proxy.Toxics.RemoveToxic(p.t.Context(), "t"))
			default:
			}
		}
		return count() == n
	}, func(msg *message.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		kept[msg.UUID] = true
		return true
	})
	publishing.Wait()
	e.stop(p.t)
	p.check(b.Close())
	return most
}

// settledGoroutines waits until there are no more than want, zero for any number, and connections are closed.
func settledGoroutines(p *place, want int) int {
	deadline := time.After(patient)
	for {
		p.transport.CloseIdleConnections()
		runtime.GC()
		select {
		case <-deadline:
			return runtime.NumGoroutine()
		case <-time.After(200 * time.Millisecond): // for connections to end on both sides of the proxy
		}
		if n := runtime.NumGoroutine(); want == 0 || n <= want {
			return n
		}
	}
}

// heap is what is in use after a collection, in bytes.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
