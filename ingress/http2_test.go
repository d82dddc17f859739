package ingress_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// frame is one frame of HTTP/2 (RFC 9113, section 4.1).
func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
	head = append(head, kind, flags)
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

// TestNoHTTP2 holds S6: HTTP/2 is not spoken, so there are no streams to reset rapidly. Its preface, and the upgrade to
// it, get one answer of HTTP/1.1; what follows is never read as requests, and the connection ends.
func TestNoHTTP2(t *testing.T) {
	w := newWorld(t)
	s := listen(t, w)
	const headers, rstStream, settings = 1, 3, 4
	resets := new(bytes.Buffer)
	resets.WriteString(frame(settings, 0, 0, ""))
	for stream := uint32(1); stream < 20_000; stream += 2 {
		resets.WriteString(frame(headers, 5, stream, "\x83\x86\x84\x41\x09localhost"))
		resets.WriteString(frame(rstStream, 0, stream, "\x00\x00\x00\x08"))
	}
	ghost := "POST " + livechatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	for name, start := range map[string]string{
		"preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"upgrade": "OPTIONS " + livechatPath + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		go func() { _, _ = io.WriteString(conn, start+resets.String()+ghost) }()
		answers, _ := io.ReadAll(conn) // ends by the close or by the reset that follows unread bytes
		conn.Close()
		if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || strings.HasPrefix(string(answers), "HTTP/1.1 101") {
			t.Errorf("%s: %d answers:\n%.300s", name, n, answers)
		}
	}
	if n := len(w.bus.events()); n != 0 {
		t.Errorf("%d events", n)
	}
}
