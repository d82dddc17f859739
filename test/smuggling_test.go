package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// smuggled are connections that two readers could cut into different requests. A request with the message "ghost" stands
// where only one of the readers sees it. The statuses are all answers that may come before the connection is closed.
func smuggled() []attack {
	body, ghost := said("framed", `"t"`), raw(receive, said("ghost", `"t"`), typeJSON)
	length := fmt.Sprintf("Content-Length: %d", len(body))
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	last := raw(receive, said("framed", `"t"`), typeJSON, "Connection: close")
	framed := func(name, body, want string, headers ...string) attack {
		return attack{name, raw(receive, body, append([]string{typeJSON}, headers...)...), want}
	}
	const chunked = "Transfer-Encoding: chunked"
	return []attack{
		framed("length and chunks", chunks+ghost, "200", fmt.Sprintf("Content-Length: %d", len(chunks+ghost)), chunked),
		framed("chunks and length", chunks+ghost, "200", chunked, fmt.Sprintf("Content-Length: %d", len(chunks))),
		framed("chunks and a length inside a chunk", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(ghost), ghost), "400", chunked, "Content-Length: 5"),
		framed("two lengths", body+ghost, "400", length, fmt.Sprintf("Content-Length: %d", len(body+ghost))),
		framed("list of lengths", body+ghost, "400", length+", "+fmt.Sprint(len(body+ghost))),
		framed("same length twice", body+last, "200 200", length, length),
		framed("signed length", body+ghost, "400", "Content-Length: +5"),
		framed("negative length", body+ghost, "400", "Content-Length: -1"),
		framed("length of 20 digits", body+ghost, "400", "Content-Length: 99999999999999999999"),
		framed("largest length", body+ghost, "413", "Content-Length: 9223372036854775807"),
		framed("length that is too short", body+"\r\n\r\n"+ghost, "400 400", "Content-Length: 10"),
		framed("space before the colon", body+ghost, "400", length, "Transfer-Encoding : chunked"),
		framed("unknown coding", chunks+ghost, "501", "Transfer-Encoding: xchunked"),
		framed("two codings", chunks+ghost, "501", chunked, "Transfer-Encoding: identity"),
		framed("coding after a control character", chunks+ghost, "400", "Transfer-Encoding: \vchunked"),
		framed("chunk of 17 digits", "fffffffffffffffff\r\n"+body+ghost, "400", chunked),
		framed("chunk that ends with a line feed only", strings.Replace(chunks, "\r\n", "\n", 1)+ghost, "400", chunked),
		framed("chunk that is too short", "5\r\n"+body+"\r\n0\r\n\r\n"+ghost, "400", chunked),
		framed("header after a lone carriage return", body+ghost, "400", "X: a\rContent-Length: 5", length),
		framed("NUL in a header", body+ghost, "400", "X: \x00", length),
		framed("two hosts", body+ghost, "400", "Host: localhost"),
		{"no host", strings.Replace(ghost, "Host: localhost\r\n", "", 1) + ghost, "400"},
		{"foreign host in an absolute form", raw("POST http://evil.example/livechat/"+identifier, said("ghost", `"t"`), typeJSON, "Connection: close"), "403"},
		{"absolute form", raw("POST http://localhost/livechat/"+identifier, body, typeJSON, "Connection: close"), "200"},
		{"HTTP/1.0", strings.Replace(raw(receive, body, typeJSON), "HTTP/1.1", "HTTP/1.0", 1) + ghost, "200"},
		{"HTTP/1.0 with chunks", strings.Replace(raw(receive, chunks, typeJSON, chunked), "HTTP/1.1", "HTTP/1.0", 1) + ghost, "400"},
		{"HTTP/0.9", "GET /\r\n" + ghost, "400"},
		{"HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + ghost, "404"},
		{"HTTP/2.0 in words", strings.Replace(ghost, "HTTP/1.1", "HTTP/2.0", 1), "505"},
		{"pipeline", raw(receive, body, typeJSON) + raw(fetch, "") + last, "200 200 200"},
		{"pipeline after a refusal", raw(receive, "{", typeJSON) + raw("PUT /nowhere", ghost) + last, "400 404 200"},
		{"request in a body that nobody reads", raw("POST /nowhere", ghost) + raw("GET /livechat/"+identifier, ghost) + last, "404 405 200"},
		{"request in a large body that nobody reads", raw("POST /nowhere", strings.Repeat("x", 300<<10)+ghost), "404"},
		{"request in a body that is too large", raw(receive, strings.Repeat("x", 2<<20)+ghost, typeJSON), "413"},
		{"request in a body that waits for leave", raw(receive, ghost, typeJSON, "Expect: 100-continue", "Content-Length: 2000000"), "413"},
		{"expectation that nobody knows", raw(receive, ghost, typeJSON, "Expect: tea"), "417"},
	}
}

// TestSmuggling holds that no connection puts the process out of step: whatever was sent, the server closes it, the next
// one is served, and history has the messages of requests that were answered 200 and no other.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}, "serve")
	want := []string{"framed"}
	for i, a := range smuggled() {
		conn := dial(t, p, 10*time.Second)
		go func() { _, _ = io.WriteString(conn, a.raw) }()
		var statuses []string
		for answers := bufio.NewReader(conn); ; {
			got, err := answered(answers, http.MethodPost)
			if err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the connection stays open", a.name)
				}
				break
			}
			statuses = append(statuses, fmt.Sprint(got.status))
		}
		if got := strings.Join(statuses, " "); got != a.want {
			t.Errorf("%s: answers %s, want %s", a.name, got, a.want)
		}
		id := fmt.Sprintf("good-%02d", i)
		if got := ask(t, p, raw(receive, said(id, `"t"`), typeJSON)); got.status != http.StatusOK || !strings.Contains(got.body, id) {
			t.Errorf("after %s: %d %s", a.name, got.status, got.body)
		}
		want = append(want, id)
	}
	var history struct{ Messages []struct{ ID string } }
	answer := ask(t, p, raw(fetch+"&limit=100", ""))
	if err := json.Unmarshal([]byte(answer.body), &history, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(answer, err)
	}
	var got []string
	for _, m := range history.Messages {
		got = append(got, m.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if log := p.printed(); strings.Contains(log, "panic") || strings.Contains(log, "level=ERROR") {
		t.Error("the log tells of a fault")
	}
}

// TestSlowCallers holds the bounds of time on the process as it is wired: 5 s for a head, 10 s for a body, also for one
// that nobody reads. The longer bound of an upload is held in virtual time, where ingress is tested.
func TestSlowCallers(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"LIVEPIPE_DATA=" + t.TempDir()}, "serve")
	var callers sync.WaitGroup
	for _, a := range []attack{
		{"nothing", "", ""},
		{"a head", strings.TrimSpace(raw(receive, "", typeJSON)), ""},
		{"a body", raw(receive, "", typeJSON, "Content-Length: 1000"), "408 body_timeout"},
		{"a body that nobody reads", raw("POST /nowhere", "", "Content-Length: 1000"), "404 not_found"},
		{"a body of OPTIONS *", raw("OPTIONS *", "", "Content-Length: 1000"), "404 not_found"},
	} {
		bound := 12 * time.Second // the limits, and some room for a busy machine
		if a.want == "" {
			bound = 8 * time.Second
		}
		conn := dial(t, p, bound)
		callers.Go(func() { drip(conn, a.raw) })
		callers.Go(func() {
			defer conn.Close()
			answers := bufio.NewReader(conn)
			if a.want != "" {
				got, err := answered(answers, http.MethodPost)
				if err != nil {
					t.Errorf("%s: %v", a.name, err)
					return
				}
				a.check(t, got)
			}
			if b, err := answers.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %q, %v, want the end of the connection", a.name, b, err)
			}
		})
	}
	callers.Wait()
}

// drip sends the beginning at once and then a letter a second, until the connection breaks. Of nothing it sends no more.
func drip(conn net.Conn, beginning string) {
	_, err := io.WriteString(conn, beginning)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for err == nil && beginning != "" {
		<-tick.C
		_, err = io.WriteString(conn, "x")
	}
}
