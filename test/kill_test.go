package test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/internal/conformance"
)

// The load of the kill test: connections that share conversations, each conversation strictly one message after the
// other's 200.
const (
	connections   = 64
	conversations = 200
)

// conversation is one chat under load. It belongs to one connection at a time.
type conversation struct {
	chat     string
	accepted int // messages 0..accepted-1 got a 200
}

// load sends messages until stopped. While the server is down it waits.
type load struct {
	client   *http.Client
	url      atomic.Pointer[string]
	free     chan *conversation
	all      []*conversation
	accepted atomic.Int64
	stop     chan struct{}
	running  sync.WaitGroup

	mu sync.Mutex
	up chan struct{} // closed while the server is up
}

func newLoad(url string) *load {
	l := &load{
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections},
			Timeout:   20 * time.Second,
		},
		free: make(chan *conversation, conversations),
		stop: make(chan struct{}),
		up:   make(chan struct{}),
	}
	l.url.Store(&url)
	for i := range conversations {
		c := &conversation{chat: fmt.Sprintf("chat_%d", i)}
		l.all = append(l.all, c)
		l.free <- c
	}
	for range connections {
		l.running.Go(l.connection)
	}
	return l
}

// resume says that the server answers at url.
func (l *load) resume(url string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.url.Store(&url)
	close(l.up)
}

// pause says that the server is about to go.
func (l *load) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = make(chan struct{})
}

func (l *load) connection() {
	for {
		l.mu.Lock()
		up := l.up
		l.mu.Unlock()
		select {
		case <-l.stop:
			return
		case <-up:
		}
		select {
		case <-l.stop:
			return
		case c := <-l.free:
			l.next(c)
			l.free <- c
		}
	}
}

// next sends the conversation's next message, the very same one again after a failure. All have the same created_at, so
// that history's order is the order in which the worker stored them.
func (l *load) next(c *conversation) {
	body := fmt.Sprintf(`{"event":"incoming_message","chat_id":%q,"message":{"id":"msg_%d","type":"text","text":"n","author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:32:00Z"}}`,
		c.chat, c.accepted)
	status, _, err := try(l.client, *l.url.Load()+"/livechat/"+identifier, body)
	if err == nil && status == http.StatusOK {
		c.accepted++
		l.accepted.Add(1)
	}
}

// end stops the load and waits for every connection.
func (l *load) end() {
	close(l.stop)
	l.running.Wait()
	l.client.CloseIdleConnections()
}

// until waits until so many more messages were accepted.
func (l *load) until(t *testing.T, more int64) {
	t.Helper()
	want := l.accepted.Load() + more
	eventually(t, "messages are accepted", func() bool { return l.accepted.Load() >= want })
}

// check reads every conversation's history and counts what a user would call lost, doubled or, where order is promised,
// out of order.
func (l *load) check(t *testing.T, at *site) {
	t.Helper()
	url := at.ingress.URL
	lost, doubled, disordered := 0, 0, 0
	for _, c := range l.all {
		var ids []int
		eventually(t, c.chat+" is complete in history", func() bool {
			ids = history(t, url, c.chat)
			return len(ids) >= c.accepted
		})
		seen := map[int]int{}
		for i, id := range ids {
			seen[id]++
			if at.ordered && i > 0 && id <= ids[i-1] {
				disordered++
			}
		}
		for n := range c.accepted {
			switch seen[n] {
			case 0:
				lost++
			case 1:
			default:
				doubled++
			}
		}
	}
	t.Logf("%d accepted messages: lost %d, doubled %d, out of order %d", l.accepted.Load(), lost, doubled, disordered)
	if lost+doubled+disordered > 0 {
		t.Errorf("lost %d, doubled %d, out of order %d", lost, doubled, disordered)
	}
}

// history walks a chat's pages back and gives the numbers of its messages in history's order.
func history(t *testing.T, url, chat string) []int {
	t.Helper()
	var ids []int
	for cursor := ""; ; {
		status, answer := post(t, url+"/livechat/"+identifier+"?action=fetch_messages&limit=100&chat_id="+chat+cursor, "")
		if status == http.StatusServiceUnavailable || status == http.StatusNotFound {
			return nil // not stored yet
		}
		var page struct {
			Messages []struct {
				ID string `json:"id"`
			} `json:"messages"`
			HasMore bool   `json:"hasMore"`
			Next    string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(answer), &page); err != nil || status != http.StatusOK {
			t.Fatalf("history of %s: %d %s", chat, status, answer)
		}
		older := make([]int, 0, len(page.Messages)+len(ids))
		for _, m := range page.Messages {
			n, err := strconv.Atoi(m.ID[len("msg_"):])
			if err != nil {
				t.Fatal(err)
			}
			older = append(older, n)
		}
		ids = append(older, ids...)
		if !page.HasMore {
			return ids
		}
		cursor = "&cursor=" + page.Next
	}
}

// TestKill holds F1, F2 and F3: kill -9 of the one process at random moments, under load, loses, doubles and reorders
// nothing that got a 200.
func TestKill(t *testing.T) {
	kills, perKill := 20, int64(1000)
	if conformance.RaceDetector {
		kills = 4 // the detector makes it ten times slower; it looks for something else here
	}
	if s := os.Getenv("KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("KILLS: %v", err)
		}
		kills = n
	}
	env := []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_LOG_LEVEL=error", "LIVEPIPE_ADDRESS_RATE=0"}
	p := start(t, env, "serve")
	l := newLoad(p.URL)
	l.resume(p.URL)
	for range kills {
		l.until(t, perKill/2+rand.Int64N(perKill)+1)
		l.pause()
		p.kill()
		p = start(t, env, "serve")
		l.resume(p.URL)
	}
	l.until(t, max(1, int64(kills)*perKill-l.accepted.Load()))
	l.end()
	t.Logf("%d kills", kills)
	l.check(t, &site{stack: stacks[0], ingress: p})
}

// killOfWorkers holds F2 for separate processes: a worker's process killed mid-handler, the others untouched.
func killOfWorkers(t *testing.T, s stack) {
	if !s.separate {
		t.Skip("one process: see TestKill")
	}
	at := s.open(t, []string{"LIVEPIPE_LOG_LEVEL=error", "LIVEPIPE_ADDRESS_RATE=0"}, "history")
	at.worker("history") // stands by and takes over, or shares the work
	l := newLoad(at.ingress.URL)
	l.resume(at.ingress.URL)
	for range 3 {
		l.until(t, some(500))
		at.workers["history"].kill()
		at.workers["history"] = at.worker("history")
	}
	l.until(t, some(500))
	l.end()
	l.check(t, at)
}

// some is n, or a tenth of it for the race detector, which makes everything ten times slower and looks for other things.
func some(n int64) int64 {
	if conformance.RaceDetector {
		return n / 10
	}
	return n
}

// TestBrokerRestarts holds F5: the broker is killed and comes back several times during 10,000 messages; ingress and
// workers reconnect by themselves and everything accepted is delivered.
func TestBrokerRestarts(t *testing.T) {
	messages, restarts := int64(10_000), int64(4)
	if conformance.RaceDetector {
		messages = 2000
	}
	nats := freeAddr(t)
	env := []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_LOG_LEVEL=error"}
	broker := start(t, env, "broker", "--nats-listen="+nats)
	shared := append(env, "LIVEPIPE_BUS=nats://"+nats)
	ingress := start(t, shared, "ingress")
	start(t, shared, "router")
	l := newLoad(ingress.URL)
	l.resume(ingress.URL)
	for range restarts {
		l.until(t, messages/(restarts+1))
		broker.kill()
		broker = start(t, env, "broker", "--nats-listen="+nats)
	}
	l.until(t, max(1, messages-l.accepted.Load()))
	l.end()
	t.Logf("%d restarts of the broker", restarts)
	l.check(t, &site{stack: stacks[1], ingress: ingress})
}
