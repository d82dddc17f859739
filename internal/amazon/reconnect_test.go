package amazon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/rs/zerolog"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
)

// throughProxy puts a toxiproxy between the clients of the place and AWS.
func (p *place) throughProxy() *toxiproxy.Proxy {
	p.t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	upstream := strings.TrimPrefix(os.Getenv("AWS_ENDPOINT_URL"), "http://")
	proxy := toxiproxy.NewProxy(api, "aws", "127.0.0.1:0", upstream)
	p.check(proxy.Start())
	p.t.Cleanup(proxy.Stop)
	p.cfg.AWS.BaseEndpoint = aws.String("http://" + proxy.Listen)
	return proxy
}

// outage is how long a cut lasts.
const outage = time.Second

// cut ends all connections, refuses new ones for a while, and returns when it is over.
func cut(proxy *toxiproxy.Proxy) error {
	proxy.Stop()
	<-time.After(outage)
	return proxy.Start()
}

// scissors serves cuts to the command that restarts the broker: the test binary itself.
func scissors(t *testing.T, proxy *toxiproxy.Proxy) (command []string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := cut(proxy); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{binary, "cut-connections", server.URL}
}

// Connections are cut again and again while 10,000 messages are published and handled. What a receive had brought when
// its connection was cut comes again when its lease ends.
func TestF5CutConnectionsLoseNothing(t *testing.T) {
	const n, publishers, cuts = 10_000, 50, 4
	p := newPlace(t, false)
	p.cfg.PollWait, p.cfg.Logger = time.Second, testLogger(t)
	b := p.openBus()
	proxy := p.throughProxy()
	cutBus, err := amazon.Open(t.Context(), p.cfg)
	p.check(err)
	t.Cleanup(func() { p.check(cutBus.Close()) })
	publisher := cutBus.Publisher()
	e := startEngine(t, cutBus, func(c *lanes.Config) { c.Lease = 5 * time.Second })

	next := make(chan int)
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for i := range next {
				for {
					// A body that is its own number; the loop is what ingress's caller does after a 503.
					if err := publisher.Publish("message", message.NewMessage(fmt.Sprint(i), []byte(fmt.Sprint(i)))); err == nil {
						break
					}
				}
			}
		})
	}
	wg.Go(func() {
		defer close(next)
		for i := range n {
			next <- i
		}
	})
	var mu sync.Mutex
	kept := map[string]bool{}
	seen := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(kept)
	}
	done := 0
	e.handle(t, time.Second, func() bool {
		if done < cuts && seen() >= (done+1)*n/(cuts+1) {
			done++
			p.check(cut(proxy))
		}
		return seen() == n
	}, func(msg *message.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		kept[string(msg.Payload)] = true
		return true
	})
	wg.Wait()
	e.stop(t)
	left, err := b.Backlog(t.Context(), "history")
	t.Logf("%d cuts of %s: %d of %d handled, backlog %d", cuts, outage, seen(), n, left)
	if err != nil || seen() != n {
		t.Error(err)
	}
}
