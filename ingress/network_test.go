package ingress_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// listen serves a world as app does.
func listen(t *testing.T, w *world) *httptest.Server {
	s := httptest.NewUnstartedServer(w)
	s.Config = w.HTTPServer()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// talk sends raw bytes and reads the status of the answer.
func talk(t *testing.T, s *httptest.Server, raw string) int {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(conn, raw) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestSizesOnTheWire holds S5 and S6: it says one size and sends another, in every way that HTTP has.
func TestSizesOnTheWire(t *testing.T) {
	w := newChatWorld(t, func(w *world) { w.config.BodyLimit = 1000; w.config.UploadLimit = 1000 })
	s := listen(t, w)
	head := "POST " + livechatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	upload := "POST " + uploadPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + formType + "\r\n"
	body := messageBody("m")
	chunked := func(body string) string {
		return "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	length := func(n int, body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, body) }
	large := strings.Repeat("x", 5000)
	tests := []struct {
		name, raw string
		want      int
	}{
		{"declared", head + length(len(body), body), 200},
		{"chunked", head + chunked(body), 200},
		{"too large, declared", head + length(100<<20, "{"), 413},
		{"too large, chunked", head + chunked(large), 413},
		{"longer than declared", head + length(10, body), 400},
		{"broken chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"upload", upload + length(len(form(filePart(png))), form(filePart(png))), 200},
		{"upload too large, declared", upload + length(100<<20, ""), 413},
		{"upload too large, chunked", upload + chunked(form(filePart(large))), 413},
		{"10,000 headers", head + strings.Repeat("X-A: b\r\n", 10_000) + length(len(body), body), 431},
		{"gzip bomb", head + "Content-Encoding: gzip\r\n" + length(3, "\x1f\x8b\x08"), 415},
		{"absolute form", strings.Replace(head, "/livechat", "http://localhost/livechat", 1) + length(len(body), body), 200},
	}
	for _, test := range tests {
		if got := talk(t, s, test.raw); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

// TestCutBodies holds that a sender who dies leaves no event behind.
func TestCutBodies(t *testing.T) {
	w := newChatWorld(t)
	s := listen(t, w)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "POST "+livechatPath+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"+messageBody("m"))
	_ = conn.(*net.TCPConn).CloseWrite()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	conn.Close()
	if response.StatusCode != 400 || len(w.bus.events()) != 0 {
		t.Errorf("%d, %d events", response.StatusCode, len(w.bus.events()))
	}
}

// TestLengthBesideChunks holds S6: nothing is taken for a request after a body whose end a proxy may have seen elsewhere.
func TestLengthBesideChunks(t *testing.T) {
	w := newWorld(t)
	s := listen(t, w)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	head := "POST " + livechatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	first, ghost := messageBody("m"), messageBody("ghost")
	ghost = fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(ghost), ghost)
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n%s", len(first), first, ghost)
	fmt.Fprintf(conn, "%sContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%s", head, len(chunks), chunks)
	answers, err := io.ReadAll(conn)
	if n := strings.Count(string(answers), "HTTP/1.1 "); err != nil || n != 1 || len(w.bus.events()) != 1 {
		t.Errorf("%v, %d answers, %d events:\n%s", err, n, len(w.bus.events()), answers)
	}
}
