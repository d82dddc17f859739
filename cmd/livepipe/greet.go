package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/app"
)

// greet prints the first lines: where to call, who may, where the data is, and something to try.
func greet(ctx context.Context, std settings.Streams, r roles, a app.Addresses, db settings.OpenStore) {
	var b strings.Builder
	fmt.Fprintf(&b, "livepipe %s\n", std.Version)
	line := func(word, rest string) { fmt.Fprintf(&b, "  %-8s %s\n", word, rest) }
	if a.HTTP != "" {
		line("calls", "http://"+reachedAt(a.HTTP))
	}
	if a.Admin != "" {
		line("admin", "http://"+reachedAt(a.Admin))
	}
	line("data", r.process.Data)
	if r.router != nil {
		line("workers", strings.Join(r.router.names(), ", ")+"; bus "+settings.Hide("", r.process.Bus))
	}
	if a.HTTP != "" {
		open, who := access(ctx, r.http, db)
		line("access", who)
		line("try", tryCurl(reachedAt(a.HTTP), open))
	}
	b.WriteString("  running\n")
	fmt.Fprint(std.Out, b.String())
}

// reachedAt is addr as this machine can call it: a process that listens everywhere is on localhost too.
func reachedAt(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return "localhost:" + port
	}
	return addr
}

// access reports whether everybody may call, in words too.
func access(ctx context.Context, c *httpConfig, db settings.OpenStore) (open bool, who string) {
	const everybody = "OPEN: everybody who reaches the address may call"
	if c.Access == "open" {
		return true, everybody
	}
	if c.Access == "auto" && c.onLoopback() {
		if ever, err := db.AnyAccountEver(ctx); err == nil && !ever {
			return true, everybody + " (loopback, until the first `livepipe account add`)"
		}
	}
	return false, "accounts: callers need a bearer token (livepipe account add)"
}

// tryCurl is a call that works as it stands. Its ids are its own: the first text of a message stays, so that those of the
// contract's examples would answer with this one for ever.
func tryCurl(addr string, open bool) string {
	token := ""
	if !open {
		token = ` -H "Authorization: Bearer $TOKEN"`
	}
	return `curl -X POST http://` + addr + `/webhooks/livechat/b3JnMTIzOnVzZXI0NTY6bGMtNzg5 -H 'Content-Type: application/json'` + token +
		` -d '{"event_type":"incoming_chat","chat_id":"chat_try","message":{"id":"msg_try","text":"Hello","timestamp":"2024-01-15T10:30:00Z"},"visitor":{"id":"visitor_try"}}'`
}
