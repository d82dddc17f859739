package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"
)

// sameEventElevenTimes holds F4: concurrent copies, and the same copies again after a restart, are one message.
func sameEventElevenTimes(t *testing.T, s stack) {
	at := s.open(t, nil, "history")
	body := spec(t, "receive-message.request")
	for range 2 {
		var copies sync.WaitGroup
		for range 11 {
			copies.Go(func() {
				if status, answer, err := try(http.DefaultClient, at.ingress.URL+"/livechat/"+identifier, body); err != nil || status != 200 {
					t.Errorf("copy: %d %s %v", status, answer, err)
				}
			})
		}
		copies.Wait()
		// A later message of the same lane is in an ordered history only after every copy was handled.
		later := strings.ReplaceAll(body, "msg_002", "msg_later")
		post(t, at.ingress.URL+"/livechat/"+identifier, later)
		eventually(t, "history has the message once", func() bool {
			_, answer := post(t, at.ingress.URL+"/livechat/"+identifier+"?action=fetch_messages&chat_id=chat_abc123", "")
			var page struct {
				Total    int              `json:"total"`
				Messages []map[string]any `json:"messages"`
			}
			if err := json.Unmarshal([]byte(answer), &page); err != nil {
				t.Fatal(err)
			}
			if page.Total > 2 || len(page.Messages) != page.Total {
				t.Fatalf("doubled: %s", answer)
			}
			return page.Total == 2
		})
		at.restart()
	}
}

// termUnderLoad holds F14: every process drains, hands back and exits 0, also while callers dawdle, and nothing that got
// a 200 is lost or waits for a lease to end.
func termUnderLoad(t *testing.T, s stack) {
	at := s.open(t, []string{"LIVEPIPE_ADDRESS_RATE=0", "LIVEPIPE_GRACE=10s"}, "history")
	l := newLoad(at.ingress.URL)
	l.resume(at.ingress.URL)
	l.until(t, some(1000))
	linger(t, at.ingress.URL)
	l.pause()
	at.restart()
	l.resume(at.ingress.URL)
	l.until(t, 100)
	l.end()
	l.check(t, at)
}

// TestSecondSignal holds F14: whoever asks twice does not wait.
func TestSecondSignal(t *testing.T) {
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}, "serve")
	// A request whose body never ends keeps the first stop waiting.
	reader, writer := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, p.URL+"/livechat/"+identifier, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	fmt.Fprint(writer, "{")
	p.signal(syscall.SIGTERM)
	eventually(t, "the stop begins", func() bool { return strings.Contains(p.printed(), "stopping") })
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	writer.Close() // the client's own transport waits for the body
	<-answered
}
