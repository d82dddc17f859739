package ingress_test

import (
	"bufio"
	"fmt"
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

// inVirtualTime runs a test with one connection to a server that knows the spec's chat.
func inVirtualTime(t *testing.T, test func(t *testing.T, client net.Conn, running *sync.WaitGroup)) {
	synctest.Test(t, func(t *testing.T) {
		w := newChatWorld(t, func(w *world) { w.config.Access = "open" })
		listener := pipeListener{make(chan net.Conn, 1)}
		server := w.HTTPServer()
		server.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.ServeHTTP(noting{rw}, r) })
		var running sync.WaitGroup
		running.Go(func() { _ = server.Serve(listener) })
		client, conn := net.Pipe()
		listener.conns <- conn
		test(t, client, &running)
		client.Close()
		close(listener.conns)
		server.Close()
		running.Wait()
		w.wantNoScratch(t)
	})
}

// TestSlowBodies holds S5: it sends one byte a second, in virtual time, and wants an end to it, whoever would have read the
// body: a handler, or net/http after a handler that did not.
func TestSlowBodies(t *testing.T) {
	file := form(filePart(strings.Repeat("x", 1000)))
	const short, long = 11 * time.Second, 122 * time.Second
	tests := []struct {
		name, method, target, contentType string
		body                              string // the first bytes come at once
		first                             int
		want                              int
		atMost                            time.Duration
	}{
		{"JSON", "POST", livechatPath, "application/json", messageBody("m"), 0, 408, short},
		{"fetch", "POST", fetchPath, "application/json", `{"from_timestamp":null}`, 0, 408, short},
		{"upload", "POST", uploadPath, formType, file, 0, 408, long},
		{"after the form", "POST", uploadPath, formType, file + strings.Repeat(" ", 1000), len(file), 408, long},
		{"form with two files", "POST", uploadPath, formType, form(filePart("a"), filePart("b"), strings.Repeat(" ", 1000)), 200, 400, long},
		{"upload that is refused", "POST", livechatPath + "?action=upload_media", formType, file, 0, 400, short},
		{"no such path", "POST", "/nowhere", "text/plain", file, 0, 404, short},
		{"file", "GET", "/media/x", "text/plain", file, 0, 404, short},
		{"preflight", "OPTIONS", livechatPath, "text/plain", file, 0, 200, short},
		{"OPTIONS *", "OPTIONS", "*", "text/plain", file, 0, 404, short},
	}
	for _, test := range tests {
		for framing, head := range map[string]string{
			"chunked": "Transfer-Encoding: chunked", "declared": fmt.Sprintf("Content-Length: %d", len(test.body)),
		} {
			t.Run(test.name+", "+framing, func(t *testing.T) {
				inVirtualTime(t, func(t *testing.T, client net.Conn, running *sync.WaitGroup) {
					running.Go(func() {
						_, err := fmt.Fprintf(client, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n%s\r\n\r\n",
							test.method, test.target, test.contentType, head)
						send := func(s string) {
							if framing == "chunked" {
								s = fmt.Sprintf("%x\r\n%s\r\n", len(s), s)
							}
							_, err = io.WriteString(client, s)
						}
						if test.first > 0 {
							send(test.body[:test.first])
						}
						for i := test.first; err == nil && i < len(test.body); i++ {
							<-time.After(time.Second)
							send(test.body[i : i+1])
						}
					})
					start := time.Now()
					answers := bufio.NewReader(client)
					response, err := http.ReadResponse(answers, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, response.Body)
					if response.StatusCode != test.want {
						t.Errorf("got %d, want %d", response.StatusCode, test.want)
					}
					if _, err := answers.ReadByte(); err == nil {
						t.Error("the connection goes on after a body that did not end")
					}
					if took := time.Since(start); took > test.atMost {
						t.Errorf("over after %s, want %s", took, test.atMost)
					}
				})
			})
		}
	}
}

// TestCallerWhoDoesNotRead holds that an answer does not wait for its reader for ever.
func TestCallerWhoDoesNotRead(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, client net.Conn, _ *sync.WaitGroup) {
		start := time.Now()
		fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", fetchPath)
		<-time.After(5*time.Minute + time.Second)
		if answer, err := io.ReadAll(client); err != nil || len(answer) > 0 {
			t.Errorf("%q, %v after %s", answer, err, time.Since(start))
		}
	})
}

// TestSlowBodyThatEnds holds that the deadline of a body is over with the body: the handler has its own time.
func TestSlowBodyThatEnds(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, client net.Conn, running *sync.WaitGroup) {
		running.Go(func() {
			fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{",
				strings.Replace(fetchPath, "chat_abc123", "chat_unknown", 1))
			<-time.After(9900 * time.Millisecond)
			_, _ = io.WriteString(client, "}")
		})
		response, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		if response.StatusCode != http.StatusNotFound { // after waiting for the chat beyond the tenth second
			t.Errorf("got %d, want 404", response.StatusCode)
		}
	})
}
