package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// marker stands for what people write and nobody may read in a log or in a refusal.
const marker = "MaRkEr-4111-1111"

// attack is one request, byte for byte, and what must come back: "status code field", the code and the field only where
// the answer is ours and not net/http's, which answers before routing.
type attack struct{ name, raw, want string }

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   string
}

// raw writes a request that is well framed unless its own headers say otherwise.
func raw(line, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: localhost\r\n", line)
	framed := false
	for _, header := range headers {
		b.WriteString(header + "\r\n")
		name, _, _ := strings.Cut(header, ":")
		framed = framed || name == "Content-Length" || name == "Transfer-Encoding"
	}
	if !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

const (
	typeJSON = "Content-Type: application/json"
	typeForm = "Content-Type: multipart/form-data; boundary=edge"
	receive  = "POST /livechat/" + identifier
	fetch    = receive + "?action=fetch_messages&chat_id=chat_abc123"
	delivery = receive + "?action=delivery_status"
	upFile   = receive + "?action=upload_media&chat_id=chat_abc123"
)

// said is a message of the contract with any JSON as its text.
func said(id, text string) string {
	return `{"event":"incoming_message","chat_id":"chat_abc123","message":{"id":"` + id + `","type":"text","text":` + text +
		`,"author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:32:00Z"}}`
}

// dial opens a connection that no test waits on for longer than bound.
func dial(t testing.TB, p *process, bound time.Duration) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(bound))
	return conn
}

// answered reads one answer to a request with the given method.
func answered(from *bufio.Reader, method string) (reply, error) {
	resp, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

// ask sends raw bytes on a new connection and reads the first answer.
func ask(t testing.TB, p *process, raw string) reply {
	t.Helper()
	conn := dial(t, p, limit)
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, raw) }() // a refusal may come before all is sent
	method, rest, _ := strings.Cut(raw, " ")
	got, err := answered(bufio.NewReader(conn), method)
	if err != nil {
		t.Fatalf("%.60q: %v", raw, err)
	}
	if c, err := described(); err != nil {
		t.Fatal(err)
	} else if err := c.checkRaw(method, rest, got); err != nil {
		t.Errorf("%.60q: %v", raw, err)
	}
	return got
}

// summary is "status code field" of an answer.
func (r reply) summary() string {
	var problem struct{ Code, Field string }
	if r.header.Get("Content-Type") == "application/problem+json" {
		_ = json.Unmarshal([]byte(r.body), &problem, json.MatchCaseInsensitiveNames(true))
	}
	return strings.TrimSpace(fmt.Sprint(r.status, " ", problem.Code, " ", problem.Field))
}

// check compares an answer with what must come, and holds what is true of every answer.
func (a attack) check(t *testing.T, got reply) {
	t.Helper()
	if summary := got.summary(); summary != a.want {
		t.Errorf("%s: %s, want %s", a.name, summary, a.want)
	}
	if strings.Contains(fmt.Sprint(got.header, got.body), marker) && got.status != http.StatusOK {
		t.Errorf("%s: the answer repeats what was sent: %v %s", a.name, got.header, got.body)
	}
	if got.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%s: credentials are allowed", a.name)
	}
	allow := map[bool]string{true: "POST, OPTIONS"}[got.status == http.StatusMethodNotAllowed]
	if strings.Contains(a.raw[:min(len(a.raw), 40)], " /media/") && allow != "" {
		allow = "GET, HEAD, OPTIONS"
	}
	if got.header.Get("Allow") != allow {
		t.Errorf("%s: Allow %q, want %q", a.name, got.header.Get("Allow"), allow)
	}
}
