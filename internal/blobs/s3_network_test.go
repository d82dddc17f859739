package blobs_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/messages"
)

// throughProxy puts a proxy that can be told to misbehave between the store and a fake S3.
func throughProxy(t *testing.T) (*toxiproxy.Proxy, *fakeS3) {
	t.Helper()
	f := &fakeS3{objects: map[string]object{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(api, "s3", "127.0.0.1:0", strings.TrimPrefix(server.URL, "http://"))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	useAWS(t, "http://"+proxy.Listen)
	return proxy, f
}

func poison(t *testing.T, proxy *toxiproxy.Proxy, toxic string) {
	t.Helper()
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
}

// The faults of a network, as toxiproxy words them. A timeout of 0 is a black hole: nothing comes back and nothing ends.
const (
	blackHole = `{"name":"t","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`
	swallowed = `{"name":"t","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`
	resets    = `{"name":"t","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`
	latency   = `{"name":"t","type":"latency","stream":"downstream","attributes":{"latency":2000}}`
	byteWise  = `{"name":"t","type":"slicer","stream":"downstream","attributes":{"average_size":1,"size_variation":0,"delay":10}}`
)

// calls are all that the store asks of S3.
var calls = map[string]func(context.Context, *blobs.Store) error{
	"put": func(ctx context.Context, s *blobs.Store) error {
		return s.Put(ctx, "pending/media_b", &zeroFile{size: 1 << 20}, "")
	},
	"put new": func(ctx context.Context, s *blobs.Store) error {
		_, _, err := s.PutNew(ctx, "idempotency/a", []byte("x"))
		return err
	},
	"get": func(ctx context.Context, s *blobs.Store) error {
		r, err := s.Get(ctx, "pending/media_a")
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, r)
		return err
	},
	"exists": func(ctx context.Context, s *blobs.Store) error {
		_, err := s.Exists(ctx, "pending/media_a")
		return err
	},
	"delete": func(ctx context.Context, s *blobs.Store) error { return s.Delete(ctx, "pending/media_c") },
	"health": func(ctx context.Context, s *blobs.Store) error { return s.Health(ctx) },
}

// TestS3BehindABrokenNetwork (F17): whatever the network does, a call ends with its context, or as an outage by itself
// after its bounded attempts; no goroutine stays behind, and the same store works as soon as the network does.
func TestS3BehindABrokenNetwork(t *testing.T) {
	for name, toxic := range map[string]string{"black hole": blackHole, "swallowed": swallowed, "resets": resets} {
		t.Run(name, func(t *testing.T) {
			proxy, _ := throughProxy(t)
			s := quick(t, "s3://uploads", 500*time.Millisecond)
			put(t, s, "pending/media_a")
			poison(t, proxy, toxic)
			atOnce(t.Context(), s, func(call string, err error) {
				if !messages.IsUnavailable(err) {
					t.Errorf("%s: %v, want an outage", call, err)
				}
			})
			if toxic != resets { // of which three may come within any time
				impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				atOnce(impatient, open(t, "s3://uploads"), func(call string, err error) {
					if !errors.Is(err, context.DeadlineExceeded) || messages.IsUnavailable(err) {
						t.Errorf("%s with an impatient caller: %v, want the end of its context", call, err)
					}
				})
			}
			if err := proxy.Toxics.RemoveToxic(t.Context(), "t"); err != nil {
				t.Fatal(err)
			}
			atOnce(t.Context(), s, func(call string, err error) {
				if err != nil {
					t.Errorf("%s on a network that works again: %v", call, err)
				}
			})
		})
	}
}

// atOnce makes every call and hands its error on.
func atOnce(ctx context.Context, s *blobs.Store, see func(call string, err error)) {
	var all sync.WaitGroup
	for call, do := range calls {
		all.Go(func() { see(call, do(ctx, s)) })
	}
	all.Wait()
}

// TestS3OnASlowNetwork (F17): two seconds of latency and single bytes are slow, and no fault.
func TestS3OnASlowNetwork(t *testing.T) {
	for name, toxic := range map[string]string{"2 s latency": latency, "single bytes": byteWise} {
		t.Run(name, func(t *testing.T) {
			proxy, _ := throughProxy(t)
			s := open(t, "s3://uploads")
			put(t, s, "pending/media_a")
			poison(t, proxy, toxic)
			atOnce(t.Context(), s, func(call string, err error) {
				if err != nil {
					t.Errorf("%s: %v", call, err)
				}
			})
		})
	}
}

// TestS3FaultsLeaveNoGoroutine (F17) does what fails a hundred times over.
func TestS3FaultsLeaveNoGoroutine(t *testing.T) {
	proxy, _ := throughProxy(t)
	s := quick(t, "s3://uploads", 5*time.Millisecond)
	poison(t, proxy, resets)
	round := func() {
		for range 50 {
			for _, do := range calls {
				if err := do(t.Context(), s); err == nil {
					t.Error("a call succeeded")
				}
			}
		}
	}
	round()
	before := runtime.NumGoroutine()
	round()
	grown := runtime.NumGoroutine() - before
	t.Logf("goroutines after 300 failed calls: %d, after 600: %+d", before, grown)
	if grown > 20 {
		t.Errorf("%d goroutines more", grown)
	}
}

// TestS3ConnectionsAreUsedAgain: every answer is read to its end, or each call would shake hands anew.
func TestS3ConnectionsAreUsedAgain(t *testing.T) {
	server := httptest.NewUnstartedServer(&fakeS3{objects: map[string]object{}})
	var opened atomic.Int32
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	useAWS(t, server.URL)
	s := open(t, "s3://uploads")
	put(t, s, "pending/media_a")
	for range 20 {
		for call, do := range calls {
			if err := do(t.Context(), s); err != nil {
				t.Errorf("%s: %v", call, err)
			}
		}
	}
	if n := opened.Load(); n > 2 {
		t.Errorf("120 calls opened %d connections", n)
	}
}

// TestS3OverTLS: over TLS the SDK sends a body as it reads it, in another framing, and AWS_CA_BUNDLE says whom to believe.
func TestS3OverTLS(t *testing.T) {
	f := &fakeS3{objects: map[string]object{}}
	bundle := overTLS(t, f)
	s := quick(t, "s3://uploads", time.Second)
	if err := s.Health(t.Context()); !messages.IsUnavailable(err) {
		t.Errorf("Health = %v with a certificate that nobody knows, want an outage", err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	s = quick(t, "s3://uploads", time.Second)
	if err := s.Put(t.Context(), "pending/media_a", &zeroFile{size: 1 << 20}, ""); err != nil {
		t.Errorf("Put = %v", err)
	}
	if framing := f.putWith("/uploads/pending/media_a", "Content-Encoding"); framing != "aws-chunked" {
		t.Errorf("sent in the framing %q", framing)
	}
	gone := errors.New("the client went away")
	failing := struct {
		io.Reader
		io.Seeker
	}{io.MultiReader(io.LimitReader(zeros{}, 1<<19), iotest.ErrReader(gone)), &zeroFile{size: 1 << 20}}
	if err := s.Put(t.Context(), "pending/media_b", failing, ""); !errors.Is(err, gone) || messages.IsUnavailable(err) {
		t.Errorf("Put of a source that fails = %v, want its own error", err)
	}
	if ok, err := s.Exists(t.Context(), "pending/media_b"); ok || err != nil {
		t.Errorf("Exists = %v, %v; want nothing there", ok, err)
	}
}

func put(t *testing.T, s *blobs.Store, key string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader("bytes"), "image/png"); err != nil {
		t.Fatal(err)
	}
}
