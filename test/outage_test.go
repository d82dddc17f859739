package test

import (
	"crypto/rand"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
)

// line is a network between a process and PostgreSQL that can be cut and mended.
type line struct {
	target string
	mu     sync.Mutex
	down   bool
	open   map[net.Conn]struct{}
	wait   sync.WaitGroup
}

// cuttable gives the DSN of a new database that is reached through a line of its own.
func cuttable(t *testing.T) (string, *line) {
	t.Helper()
	server := os.Getenv("LIVEPIPE_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("LIVEPIPE_TEST_AWS") == "1" {
			t.Fatal("LIVEPIPE_TEST_AWS=1 needs LIVEPIPE_TEST_POSTGRES")
		}
		t.Skip("needs PostgreSQL: run make test-aws")
	}
	u, err := url.Parse(database(t, server, "outage"+strings.ToLower(rand.Text()[:12])))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{target: u.Host, open: map[net.Conn]struct{}{}}
	l.wait.Go(func() { l.serve(listener) })
	t.Cleanup(func() {
		listener.Close()
		l.cut()
		l.wait.Wait()
	})
	u.Host = listener.Addr().String()
	return u.String(), l
}

func (l *line) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil || !l.joined(client, server) {
			client.Close()
			if server != nil {
				server.Close()
			}
			continue
		}
		l.wait.Go(func() { l.pass(client, server) })
		l.wait.Go(func() { l.pass(server, client) })
	}
}

func (l *line) joined(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		if !l.down {
			l.open[c] = struct{}{}
		}
	}
	return !l.down
}

func (l *line) pass(to, from net.Conn) {
	_, _ = io.Copy(to, from) // ends with either side
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, to)
	delete(l.open, from)
	to.Close()
	from.Close()
}

// cut ends every connection and takes no more.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.open {
		c.Close()
	}
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}
