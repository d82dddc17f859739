package ingress_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener accepts connections in memory, whose deadlines run in virtual time.
type pipeListener struct{ conns chan net.Conn }

// Accept implements net.Listener.
func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l pipeListener) Close() error { return nil }

// Addr implements net.Listener.
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// TestSlowBodies sends one byte a second, in virtual time, and wants an end to it.
func TestSlowBodies(t *testing.T) {
	tests := []struct {
		name, target, contentType, body string
		atMost                          time.Duration
	}{
		{"JSON", livechatPath, "application/json", messageBody("m"), 11 * time.Second},
		{"upload", uploadPath, formType, form(filePart(strings.Repeat("x", 1000))), 121 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newChatWorld(t)
				w.config.Access = "open"
				listener := pipeListener{make(chan net.Conn, 1)}
				server := &http.Server{Handler: w}
				var running sync.WaitGroup
				running.Go(func() { _ = server.Serve(listener) })
				client, conn := net.Pipe()
				listener.conns <- conn
				running.Go(func() {
					_, err := io.WriteString(client, "POST "+test.target+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: "+test.contentType+
						"\r\nTransfer-Encoding: chunked\r\n\r\n")
					for i := 0; err == nil && i < len(test.body); i++ {
						<-time.After(time.Second)
						_, err = io.WriteString(client, "1\r\n"+test.body[i:i+1]+"\r\n")
					}
				})
				start := time.Now()
				response, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); response.StatusCode != http.StatusRequestTimeout || took > test.atMost {
					t.Errorf("%d after %s", response.StatusCode, took)
				}
				client.Close()
				close(listener.conns)
				server.Close()
				running.Wait()
				w.wantNoScratch(t)
			})
		})
	}
}
