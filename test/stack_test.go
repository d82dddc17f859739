package test

import (
	"context"
	"crypto/rand"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// workers are the names of the route table.
var workers = []string{"history", "delivery", "routing", "dispatch", "media"}

// stack is one way to run livepipe. Every body of TestEndToEnd passes on each.
type stack struct {
	name     string
	ordered  bool // a conversation's order is promised
	separate bool // ingress and each worker are processes of their own
	remote   bool // the broker takes as long as a network does
	// prepare gives what every process needs in its environment, and starts what they share.
	prepare func(t testing.TB, data string) []string
}

var stacks = []stack{
	{"one process", true, false, false, func(testing.TB, string) []string { return nil }},
	{"separate processes", true, true, false, sharedBroker},
	{"SNS and SQS", false, true, true, func(t testing.TB, data string) []string { return amazon(t, data, "LIVEPIPE_FIFO=false") }},
	{"SNS and SQS, FIFO", true, true, true, func(t testing.TB, data string) []string { return amazon(t, data, "LIVEPIPE_FIFO=true") }},
}

func sharedBroker(t testing.TB, data string) []string {
	nats := freeAddr(t)
	start(t, []string{"LIVEPIPE_DATA=" + data}, "broker", "--nats-listen="+nats)
	return []string{"LIVEPIPE_BUS=nats://" + nats}
}

// amazon makes topics, queues, a bucket and a database that nobody else has.
func amazon(t testing.TB, data, fifo string) []string {
	t.Helper()
	dsn := os.Getenv("LIVEPIPE_TEST_POSTGRES")
	if os.Getenv("AWS_ENDPOINT_URL") == "" || dsn == "" {
		if os.Getenv("LIVEPIPE_TEST_AWS") == "1" {
			t.Fatal("LIVEPIPE_TEST_AWS=1 needs AWS_ENDPOINT_URL and LIVEPIPE_TEST_POSTGRES")
		}
		t.Skip("needs LocalStack and PostgreSQL: run make test-aws")
	}
	name := "t" + strings.ToLower(rand.Text()[:12])
	env := []string{
		"LIVEPIPE_BUS=aws", "LIVEPIPE_PREFIX=" + name, fifo, "LIVEPIPE_POLL_WAIT=1s",
		"LIVEPIPE_STORE=" + database(t, dsn, name), "LIVEPIPE_BLOBS=s3://" + name,
	}
	if out, errs, code := command(t, append(env, "LIVEPIPE_DATA="+data), "provision"); code != 0 {
		t.Fatalf("provision: exit %d\n%s%s", code, out, errs)
	}
	return env
}

// database makes an empty database on the server of dsn and drops it at the end.
func database(t testing.TB, dsn, name string) string {
	t.Helper()
	admin := func(statement string) {
		ctx := context.Background() // the cleanup runs after the test's own context has ended
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	admin("CREATE DATABASE " + name)
	t.Cleanup(func() { admin("DROP DATABASE " + name + " WITH (FORCE)") })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// site is a running livepipe.
type site struct {
	stack
	t       testing.TB
	env     []string
	ingress *process            // has the URL
	workers map[string]*process // by name; the ingress itself when everything is one process
}

// open starts a site. With only, no other workers run.
func (s stack) open(t testing.TB, env []string, only ...string) *site {
	t.Helper()
	data := t.TempDir()
	own := slices.Concat(env, []string{"LIVEPIPE_DATA=" + data})
	at := &site{stack: s, t: t, workers: map[string]*process{}}
	at.env = slices.Concat(own, s.prepare(t, data))
	if !s.separate {
		at.ingress = start(t, at.env, "serve")
		for _, w := range workers {
			at.workers[w] = at.ingress
		}
		return at
	}
	at.ingress = start(t, at.env, "ingress")
	for _, w := range workers {
		if len(only) == 0 || slices.Contains(only, w) {
			at.workers[w] = at.worker(w)
		}
	}
	return at
}

// worker starts one more process of a worker.
func (s *site) worker(name string) *process {
	return start(s.t, s.env, "router", "--workers="+name)
}

// processes are all of the site, each once.
func (s *site) processes() []*process {
	all := []*process{s.ingress}
	for _, w := range s.workers {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// restart ends every process of the site as SIGTERM does, and starts them again with more in their environment.
func (s *site) restart(env ...string) {
	s.t.Helper()
	if s.ingress.running() {
		s.terminate()
	}
	s.env = append(s.env, env...)
	if !s.separate {
		s.ingress = start(s.t, s.env, "serve")
		for w := range s.workers {
			s.workers[w] = s.ingress
		}
		return
	}
	s.ingress = start(s.t, s.env, "ingress")
	for w := range s.workers {
		s.workers[w] = s.worker(w)
	}
}

// terminate asks every process to stop, and expects exit 0.
func (s *site) terminate() {
	s.t.Helper()
	for _, p := range s.processes() {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range s.processes() {
		if code := p.wait(); code != 0 {
			s.t.Fatalf("exit %d\n%s", code, p.printed())
		}
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
