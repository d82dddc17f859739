package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

// TestHealthySaysWhatReadyzSays: one line either way, and an error, which is exit code 1, unless the answer is 200.
func TestHealthySaysWhatReadyzSays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		answer string
		out    string
		err    string
	}{
		{"ready", 200, "ready\n", "ready\n", ""},
		{"one part is down", 503, "store: refused\n", "", "not ready: store: refused"},
		{"two parts are down", 503, "bus: no answer\nstore: refused\n", "", "not ready: bus: no answer; store: refused"},
		{"somebody else's port", 404, "404 page not found\n", "", "not ready: 404 page not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/readyz" {
					t.Errorf("asked %s", r.URL.Path)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.answer))
			}))
			defer server.Close()
			var out bytes.Buffer
			err := (&healthyCmd{Addr: server.Listener.Addr().String()}).Run(t.Context(), settings.Streams{Out: &out})
			if out.String() != tt.out {
				t.Errorf("printed %q, want %q", out.String(), tt.out)
			}
			if got := errorText(err); got != tt.err {
				t.Errorf("error %q, want %q", got, tt.err)
			}
		})
	}
}

// TestHealthyAsksThisMachine: the setting that a process listens by is the setting that the health check asks by, also
// where it names every address or none.
func TestHealthyAsksThisMachine(t *testing.T) {
	for _, tt := range []struct{ setting, asks, err string }{
		{"127.0.0.1:8081", "127.0.0.1:8081", ""},
		{"0.0.0.0:8081", "127.0.0.1:8081", ""},
		{":8081", "127.0.0.1:8081", ""},
		{"[::]:8081", "[::1]:8081", ""},
		{"10.1.2.3:9", "10.1.2.3:9", ""},
		{"off", "", "the admin address is off"},
		{"8081", "", "LIVEPIPE_ADMIN_ADDR must be host:port"},
	} {
		got, err := (&healthyCmd{Addr: tt.setting}).target()
		if got != tt.asks || !strings.HasPrefix(errorText(err), tt.err) || (err == nil) != (tt.err == "") {
			t.Errorf("%q asks %q (%v), want %q (%s)", tt.setting, got, err, tt.asks, tt.err)
		}
	}
}

// TestHealthyFailsWhereNobodyListens: a process that has not come up, or has gone, is not healthy.
func TestHealthyFailsWhereNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	err = (&healthyCmd{Addr: addr}).Run(t.Context(), settings.Streams{Out: &bytes.Buffer{}})
	if !strings.HasPrefix(errorText(err), "no answer from "+addr) {
		t.Errorf("error %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
