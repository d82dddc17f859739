package amazon_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// latencyProxy stands between a benchmark and the broker. It adds to every call what a region away adds, and counts the
// calls that AWS sends a bill for.
type latencyProxy struct {
	url string

	mu    sync.Mutex
	calls map[string]int // by action
}

// hop is what the proxy adds to each call: about what SNS and SQS take within a region.
const hop = 5 * time.Millisecond

func newLatencyProxy(b *testing.B, endpoint string) *latencyProxy {
	b.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		b.Fatal(err)
	}
	p := &latencyProxy{calls: map[string]int{}}
	forward := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{MaxIdleConnsPerHost: 512}
	b.Cleanup(transport.CloseIdleConnections)
	forward.Transport = transport
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.count(r, body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		wait := time.NewTimer(hop)
		defer wait.Stop()
		<-wait.C
		forward.ServeHTTP(w, r)
	}))
	b.Cleanup(server.Close)
	p.url = server.URL
	return p
}

var snsAction = regexp.MustCompile(`(?:^|&)Action=(\w+)`)

func (p *latencyProxy) count(r *http.Request, body []byte) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".") // SQS speaks JSON
	if found := snsAction.FindSubmatch(body); action == "" && found != nil {
		action = string(found[1]) // SNS sends a form
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[action]++
}

// take returns the paid calls by action since the last time.
func (p *latencyProxy) take() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = map[string]int{}
	return calls
}

func sum(calls map[string]int) int {
	n := 0
	for _, c := range calls {
		n += c
	}
	return n
}
