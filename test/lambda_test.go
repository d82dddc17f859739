package test

import (
	"crypto/rand"
	"database/sql"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	_ "modernc.org/sqlite" // to hold the store's lock against the function
)

// lambdaSite makes topics, queues and a SQLite store for a function, and returns the environment and the prefix.
func lambdaSite(t *testing.T, more ...string) (env []string, prefix string) {
	t.Helper()
	if os.Getenv("AWS_ENDPOINT_URL") == "" {
		if os.Getenv("LIVEPIPE_TEST_AWS") == "1" {
			t.Fatal("LIVEPIPE_TEST_AWS=1 needs AWS_ENDPOINT_URL")
		}
		t.Skip("needs SNS and SQS: run make test-aws")
	}
	prefix = "t" + strings.ToLower(rand.Text()[:12])
	env = append(more, "LIVEPIPE_BUS=aws", "LIVEPIPE_PREFIX="+prefix, "LIVEPIPE_DATA="+t.TempDir())
	if out, errs, code := command(t, env, "provision", "--visibility-timeout=180s"); code != 0 {
		t.Fatalf("provision: exit %d\n%s%s", code, out, errs)
	}
	return env, prefix
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestLambda: the binary as AWS Lambda runs it behind standard queues, warm from one batch to the next.
func TestLambda(t *testing.T) {
	env, prefix := lambdaSite(t)
	l := newLambdaRuntime(t)
	p := l.start(env, "history,dispatch")
	good := recorded(t, "standard", prefix)

	expect(t, "failed of a good batch", l.invoke(good), []string{})
	ingress := start(t, append(env, "LIVEPIPE_POLL_WAIT=1s"), "ingress")
	for chat, want := range map[string]int{"chat_abc123": 3, "chat_other": 1} {
		_, answer := post(t, ingress.URL+"/livechat/"+identifier+"?action=fetch_messages&chat_id="+chat, "")
		var page struct {
			Total int `json:"total"`
		}
		if err := json.Unmarshal([]byte(answer), &page); err != nil || page.Total != want {
			t.Errorf("history of %s has %s (%v), want %d messages", chat, answer, err, want)
		}
	}

	foreign := recorded(t, "undecodable", prefix)
	expect(t, "failed of a batch with an undecodable message", l.invoke(foreign), []string{})
	if out, errs, code := command(t, env, "dlq", "list"); code != 0 || strings.Count(out, "undecodable") != 1 {
		t.Errorf("dead letters: exit %d\n%s%s", code, out, errs)
	}

	unlock := lockStore(t, env)
	expect(t, "failed while the store is down", l.invoke(good), names(good))
	unlock()
	expect(t, "failed when it is back", l.invoke(good), []string{})

	strange := recorded(t, "standard", prefix+"-other")
	expect(t, "failed of a queue that no worker has", l.invoke(strange), names(strange))

	select {
	case <-l.extension:
	case <-time.After(limit):
		t.Error("nobody asked Lambda for a SIGTERM")
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("SIGTERM: exit %d", code)
	}
	if printed := p.printed(); strings.Contains(printed, "order") || strings.Contains(printed, "somebody else") {
		t.Errorf("message text in the log:\n%s", printed)
	}
}

// TestLambdaHoldsItsQueueAgainstItsTimeout: a queue that hides an event for less than six times the function's timeout is
// warned of at start, with the command that mends it.
func TestLambdaHoldsItsQueueAgainstItsTimeout(t *testing.T) {
	env, _ := lambdaSite(t) // 180 s
	for timeout, want := range map[string]bool{"30s": false, "31s": true} {
		p := newLambdaRuntime(t).start(append(env, "LIVEPIPE_FUNCTION_TIMEOUT="+timeout), "history")
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != 0 {
			t.Errorf("%s: exit %d", timeout, code)
		}
		if warned := strings.Contains(p.printed(), "--visibility-timeout=3m6s --fix"); warned != want {
			t.Errorf("%s: warned %t, want %t\n%s", timeout, warned, want, p.printed())
		}
	}
}

// lockStore takes the write lock of the SQLite file, as a backup that hangs would, until it is given back.
func lockStore(t *testing.T, env []string) (unlock func()) {
	t.Helper()
	var data string
	for _, e := range env {
		if dir, ok := strings.CutPrefix(e, "LIVEPIPE_DATA="); ok {
			data = dir
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(data, "livepipe.db")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	unlock = func() {
		tx.Rollback()
		db.Close()
	}
	t.Cleanup(unlock)
	return unlock
}

// destination is a webhook that does with each event what a test says, and the rules that name it.
type destination struct {
	env    []string
	answer atomic.Value // func(http.ResponseWriter, *http.Request, string)
}

func newDestination(t *testing.T) *destination {
	t.Helper()
	d := &destination{}
	d.answers(func(http.ResponseWriter, *http.Request, string) {})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.answer.Load().(func(http.ResponseWriter, *http.Request, string))(w, r, string(body))
	}))
	t.Cleanup(server.Close)
	d.env = []string{
		"CRM_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"LIVEPIPE_ROUTES=" + writeFile(t, "routes.yaml", "destinations:\n  crm: {type: webhook, url: '"+server.URL+
			"', secret_env: CRM_SECRET}\nrules:\n  - {name: orders, when: 'true', to: [crm]}\n"),
	}
	return d
}

func (d *destination) answers(with func(w http.ResponseWriter, r *http.Request, body string)) {
	d.answer.Store(with)
}

// TestLambdaFIFO: behind FIFO queues a conversation stops at what failed; other conversations, other workers and later
// batches do not.
func TestLambdaFIFO(t *testing.T) {
	crm := newDestination(t)
	env, prefix := lambdaSite(t, append(crm.env, "LIVEPIPE_FIFO=true")...)
	l := newLambdaRuntime(t)
	l.start(env, "history,dispatch")
	dispatch, history := recorded(t, "fifo-dispatch", prefix), recorded(t, "fifo-history", prefix)

	crm.answers(func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, "msg_001") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	expect(t, "failed behind the head of chat_abc123", l.invoke(dispatch), names(dispatch, 0, 2, 3))
	expect(t, "failed of another worker's batch", l.invoke(history), []string{})

	crm.answers(func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() })
	begun := time.Now()
	expect(t, "failed when the time is over", l.end(l.begin(dispatch, 3*time.Second)), names(dispatch, 0, 2, 3))
	if took := time.Since(begun); took < time.Second {
		t.Errorf("answered after %s, nobody waited for the handlers", took)
	}
	expect(t, "failed of another worker's next batch", l.invoke(history), []string{})

	crm.answers(func(http.ResponseWriter, *http.Request, string) {})
	expect(t, "failed when the destination is well again", l.invoke(dispatch), []string{})
}

// TestLambdaStopsInTheMiddle: a stop during a batch answers it first.
func TestLambdaStopsInTheMiddle(t *testing.T) {
	asked, release := make(chan struct{}, 10), make(chan struct{})
	crm := newDestination(t)
	crm.answers(func(http.ResponseWriter, *http.Request, string) {
		asked <- struct{}{}
		<-release
	})
	env, prefix := lambdaSite(t, append(crm.env, "LIVEPIPE_FIFO=true")...)
	l := newLambdaRuntime(t)
	p := l.start(env, "dispatch")
	dispatch := recorded(t, "fifo-dispatch", prefix)

	i := l.begin(dispatch, 30*time.Second)
	<-asked
	<-asked // of both conversations
	p.signal(syscall.SIGTERM)
	eventually(t, "the stop begins", func() bool { return strings.Contains(p.printed(), "stop: intake ends") })
	close(release)
	expect(t, "failed: what was not started", l.end(i), names(dispatch, 2, 3))
	if code := p.wait(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestLambdaBesideSQS plays the event source mapping of a FIFO queue: what failed comes again after its own delay, in
// order, and not after the 3 minutes for which the queue hides it.
func TestLambdaBesideSQS(t *testing.T) {
	var mu sync.Mutex
	var got []string
	crm := newDestination(t)
	crm.answers(func(w http.ResponseWriter, _ *http.Request, body string) {
		mu.Lock()
		defer mu.Unlock()
		id := regexp.MustCompile(`msg_\d+`).FindString(body)
		if got = append(got, id); len(got) < 3 && id == "msg_001" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	env, prefix := lambdaSite(t, append(crm.env, "LIVEPIPE_FIFO=true")...)
	l := newLambdaRuntime(t)
	l.start(env, "dispatch")
	queue := openQueue(t, prefix+"-dispatch.fifo")
	conversation := recorded(t, "fifo-dispatch", prefix)
	conversation.Records = slices.Delete(conversation.Records, 1, 2) // chat_other
	for _, m := range conversation.Records {
		queue.send(m)
	}
	begun := time.Now()
	for left := len(conversation.Records); left > 0; {
		batch := queue.receive()
		failed := l.invoke(batch)
		for _, m := range batch.Records {
			if !slices.Contains(failed, m.MessageId) {
				queue.remove(m)
				left--
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"msg_001", "msg_001", "msg_001", "msg_002", "msg_003"}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	t.Logf("handled after %s", time.Since(begun).Round(10*time.Millisecond))
}

// TestLambdaOutsideLambda: the file that AWS Lambda starts runs the command, which says what is missing.
func TestLambdaOutsideLambda(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(root, "livepipe")); err != nil {
		t.Fatal(err)
	}
	bootstrap, err := filepath.Abs("../deploy/cloudformation/bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ env, says string }{
		{"LIVEPIPE_BUS=embedded", "LIVEPIPE_BUS=aws"},
		{"LIVEPIPE_BUS=aws", "inside AWS Lambda only"},
	} {
		cmd := exec.Command(bootstrap)
		cmd.Env = append(os.Environ(), "LAMBDA_TASK_ROOT="+root, c.env)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: exit %d %s", c.env, code, out)
		}
	}
}
