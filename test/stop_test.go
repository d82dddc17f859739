package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// linger leaves two callers at a server: one whose body never ends, and one who has had his answer and only keeps the
// connection. It returns once the server waits for that body.
func linger(t *testing.T, url string) {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	say := func(request string) *http.Response {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer
	}
	if answer := say("GET /media/none HTTP/1.1\r\nHost: " + host + "\r\n\r\n"); answer.Close {
		t.Fatalf("the connection was not kept: %s", answer.Status)
	}
	slow := "POST /livechat/" + identifier + " HTTP/1.1\r\nHost: " + host +
		"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
	if answer := say(slow); answer.StatusCode != http.StatusContinue {
		t.Fatalf("the server does not wait for the body: %s", answer.Status)
	}
}

// TestStopCutsSlowCallers holds F14: a stranger who never ends his body makes no stop fail.
func TestStopCutsSlowCallers(t *testing.T) {
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_GRACE=2s"}, "serve")
	linger(t, p.URL)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 || strings.Contains(p.printed(), "level=ERROR") {
		t.Errorf("exit %d, want 0 and no error", code)
	}
	if want := "callers were cut off"; !strings.Contains(p.printed(), want) || !strings.Contains(p.printed(), "callers=1") {
		t.Errorf("the log does not say that one caller was cut off:\n%s", p.printed())
	}
}

// TestStopStaysWithinItsGrace holds F14: destinations that hang do not make a stop longer than whoever sent the signal
// waits for it.
func TestStopStaysWithinItsGrace(t *testing.T) {
	const grace = 10 * time.Second // what a slow disk and the race detector need is far from the third that is left
	var called atomic.Int64
	closed := make(chan struct{})
	crm := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		called.Add(1)
		select {
		case <-r.Context().Done():
		case <-closed:
		}
	}))
	defer crm.Close()
	defer close(closed)
	rules := writeFile(t, "routes.yaml", "destinations:\n  crm: {type: webhook, url: '"+crm.URL+"/hook', secret_env: CRM_SECRET, timeout: 25s}\n"+
		"rules:\n  - {name: all, when: 'true', to: [crm]}\n")
	p := start(t, []string{
		"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_ROUTES=" + rules, "CRM_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"LIVEPIPE_GRACE=" + grace.String(),
	}, "serve")
	const calls = 6
	for n := range calls {
		body := strings.ReplaceAll(spec(t, "receive-message.request"), "chat_abc123", fmt.Sprintf("chat_%d", n))
		if status, answer := post(t, p.URL+"/livechat/"+identifier, body); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	eventually(t, "the destination hangs", func() bool { return called.Load() == calls })
	linger(t, p.URL)
	asked := time.Now()
	p.signal(syscall.SIGTERM)
	code := p.wait()
	took := time.Since(asked)
	t.Logf("stopped within %s", took)
	if code != 0 || took >= grace {
		t.Errorf("exit %d after %s, want 0 within %s", code, took, grace)
	}
}

// TestOrdinaryEndsRaiseNoAlarm: neither a stop nor a recovery after kill -9 is anything to look into.
func TestOrdinaryEndsRaiseNoAlarm(t *testing.T) {
	env := []string{"LIVEPIPE_DATA=" + t.TempDir()}
	for n, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM} {
		p := start(t, env, "serve")
		body := strings.ReplaceAll(spec(t, "receive-message.request"), "msg_002", fmt.Sprintf("msg_%d", n))
		if status, answer := post(t, p.URL+"/livechat/"+identifier, body); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		p.signal(end)
		p.wait()
		for line := range strings.Lines(p.printed()) {
			if strings.Contains(line, "level=WARN msg=nats-server") || strings.Contains(line, `level=WARN msg="watermill`) {
				t.Errorf("life %d: %s", n, line)
			}
		}
	}
}
