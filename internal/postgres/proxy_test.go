package postgres

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a store and its server and is the bad network.
type proxy struct {
	target   string
	listener net.Listener
	refuse   atomic.Bool // close what comes at once
	swallow  atomic.Bool // pass nothing on, and keep silent
	cutReady atomic.Bool // cut the next connection whose server says that it is ready again, before it is heard
	accepted atomic.Int64
	mu       sync.Mutex
	open     map[net.Conn]struct{}
	wait     sync.WaitGroup
}

// newProxy returns a proxy to the server of the DSN, and the DSN through it.
func newProxy(t testing.TB, dsn string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: u.Host, listener: listener, open: map[net.Conn]struct{}{}}
	p.wait.Go(p.serve)
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		p.wait.Wait()
	})
	u.Host = listener.Addr().String()
	return p, with(t, u.String(), "sslmode", "disable") // the proxy reads what the server says
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		server, err := net.Dial("tcp", p.target)
		if err != nil || p.refuse.Load() {
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		p.wait.Go(func() { p.pass(server, client, p.bytes) })
		p.wait.Go(func() { p.pass(client, server, p.messages) })
	}
}

func (p *proxy) pass(to, from net.Conn, copy func(to, from net.Conn)) {
	copy(to, from)
	p.mu.Lock()
	delete(p.open, to)
	delete(p.open, from)
	p.mu.Unlock()
	to.Close()
	from.Close()
}

func (p *proxy) bytes(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p.swallow.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// messages passes on what a server says: a byte for the type, four for the length with themselves, and the body.
func (p *proxy) messages(to, from net.Conn) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		const readyForQuery = 'Z'
		if head[0] == readyForQuery && p.cutReady.CompareAndSwap(true, false) {
			return
		}
		if p.swallow.Load() {
			continue
		}
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// cut resets every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset instead of an end
		}
		conn.Close()
	}
}
