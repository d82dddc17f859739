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
	if a.HTTP != "" {
		line("access", access(ctx, r.http, db))
		line("try", tryCurl(reachedAt(a.HTTP)))
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

func access(ctx context.Context, c *httpConfig, db settings.OpenStore) string {
	const closed = "accounts: callers need a bearer token (livepipe account add)"
	const open = "OPEN: everybody who reaches the address may call"
	switch {
	case c.Access == "open":
		return open
	case c.Access == "accounts" || !c.onLoopback():
		return closed
	}
	if any, err := db.AnyAccountEver(ctx); err != nil || any {
		return closed
	}
	return open + " (loopback, until the first `livepipe account add`)"
}

func tryCurl(addr string) string {
	return `curl -X POST http://` + addr + `/webhooks/livechat/b3JnMTIzOnVzZXI0NTY6bGMtNzg5 -H 'Content-Type: application/json' ` +
		`-d '{"event_type":"incoming_chat","chat_id":"chat_abc123","message":{"id":"msg_001","text":"Hello","timestamp":"2024-01-15T10:30:00Z"},"visitor":{"id":"visitor_xyz"}}'`
}
