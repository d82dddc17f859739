// Package test runs livepipe as its users do: the built binary, separate processes, real files, kill -9.
package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/conformance"
)

// binary is the livepipe under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "livepipe-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "livepipe")
	build := exec.Command("go", "build", "-o", binary, "../cmd/livepipe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if conformance.RaceDetector { // then the processes look for races too, and end at the first
		build.Args = append(build.Args[:2], append([]string{"-race"}, build.Args[2:]...)...)
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
		os.Setenv("GORACE", "halt_on_error=1 exitcode=66")
	}
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build livepipe: %v\n%s", err, out)
		return 1
	}
	return runDescribed(m)
}

// limit bounds every wait of a test: generous, because a test that needs it has failed already.
const limit = 60 * time.Second

// process is one running livepipe.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	URL   string // of the ingress, when it has one
	Admin string
	exit  chan error

	mu  sync.Mutex
	log bytes.Buffer // everything it printed
}

// start runs livepipe and waits until it says that it listens.
func start(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), exit: make(chan error, 1)}
	p.cmd.Env = append(append(os.Environ(), "LIVEPIPE_ADDR=127.0.0.1:0", "LIVEPIPE_ADMIN_ADDR=127.0.0.1:0"), env...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	go p.read(stdout, started)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("livepipe %s printed:\n%s", strings.Join(args, " "), p.printed())
		}
	})
	select {
	case <-started:
	case err := <-p.exit:
		p.exit <- err
		t.Fatalf("livepipe %s ended at start: %v\n%s", strings.Join(args, " "), err, p.printed())
	case <-time.After(limit):
		t.Fatalf("livepipe %s did not start\n%s", strings.Join(args, " "), p.printed())
	}
	return p
}

// read takes the addresses from the first lines, then reaps the process.
func (p *process) read(stdout io.Reader, started chan struct{}) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		fmt.Fprintln(p, lines.Text())
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch rest = strings.TrimSpace(rest); word {
		case "calls":
			p.URL = rest
		case "admin":
			p.Admin = rest
		case "running":
			close(started)
		}
	}
	p.exit <- p.cmd.Wait()
}

// Write collects what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// kill ends the process as kill -9 does and waits until it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.exit <- <-p.exit
}

// running reports whether the process has not ended yet.
func (p *process) running() bool {
	select {
	case err := <-p.exit:
		p.exit <- err
		return false
	default:
		return true
	}
}

// signal sends one signal.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait gives the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case err := <-p.exit:
		p.exit <- err
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		p.t.Fatalf("livepipe did not end\n%s", p.printed())
		return -1
	}
}

// command runs livepipe to its end.
func command(t testing.TB, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// post sends a JSON body and gives the status and the body of the answer.
func post(t *testing.T, url, body string, headers ...string) (int, string) {
	t.Helper()
	status, answer, err := try(http.DefaultClient, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

// try is post for callers that expect the connection to break.
func try(client *http.Client, url, body string, headers ...string) (int, string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err
	}
	return resp.StatusCode, string(answer), nil
}

// get fetches a page of the process.
func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// eventually repeats what until it is true. It waits a little between looks at another process, which has no other
// signal to give.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}
