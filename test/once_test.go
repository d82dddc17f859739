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

// TestSameEventElevenTimes holds F4: concurrent copies, and the same copies again after a restart, are one message.
func TestSameEventElevenTimes(t *testing.T) {
	env := []string{"LIVEPIPE_DATA=" + t.TempDir()}
	body := spec(t, "receive-message.request")
	for range 2 {
		p := start(t, env, "serve")
		var copies sync.WaitGroup
		for range 11 {
			copies.Go(func() {
				if status, answer, err := try(http.DefaultClient, p.URL+"/livechat/"+identifier, body); err != nil || status != 200 {
					t.Errorf("copy: %d %s %v", status, answer, err)
				}
			})
		}
		copies.Wait()
		// A later message of the same lane is in history only after every copy was handled.
		later := strings.ReplaceAll(body, "msg_002", "msg_later")
		post(t, p.URL+"/livechat/"+identifier, later)
		eventually(t, "history has the message once", func() bool {
			_, answer := post(t, p.URL+"/livechat/"+identifier+"?action=fetch_messages&chat_id=chat_abc123", "")
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
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != 0 {
			t.Fatalf("exit %d\n%s", code, p.printed())
		}
	}
}

// TestTermUnderLoad holds F14: the process drains, hands back and exits 0, and nothing that got a 200 is lost.
func TestTermUnderLoad(t *testing.T) {
	env := []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_ADDRESS_RATE=0"}
	p := start(t, env, "serve")
	l := newLoad(p.URL)
	l.resume(p.URL)
	l.until(t, 1000)
	l.pause()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.printed())
	}
	p = start(t, env, "serve")
	l.resume(p.URL)
	l.until(t, 100)
	l.end()
	l.check(t, p.URL)
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
