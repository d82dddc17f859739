package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// outage wants err to be an outage that shows neither the password nor what somebody wrote.
func outage(t *testing.T, doing string, err error) {
	t.Helper()
	if !messages.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: %v, want an outage", doing, err)
	}
	tellsNothing(t, err)
}

func tellsNothing(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if told := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(told, "hunter2") || strings.Contains(told, "text of") {
			t.Errorf("%T tells what it must not: %s", e, told)
		}
	}
}

// withPassword is the DSN with a password, which a server that trusts everybody does not ask for.
func withPassword(dsn string) string {
	return strings.Replace(dsn, "postgres@", "postgres:hunter2@", 1)
}

func TestCutConnectionsAreAnOutageThatEndsByItself(t *testing.T) {
	p, dsn := newProxy(t, withPassword(migrated(t)))
	s := openAt(t, dsn)
	save(t, s, "msg0")
	before := runtime.NumGoroutine()
	for round := range 3 {
		p.refuse.Store(true)
		p.cut()
		for i := range 20 {
			id := fmt.Sprint("lost", round, "-", i)
			_, err := s.SaveMessage(t.Context(), "evt_"+id, received(id))
			outage(t, "SaveMessage", err)
			_, err = s.Page(t.Context(), store.Query{Chat: chat1, Limit: 1})
			outage(t, "Page", err)
			outage(t, "Health", s.Health(t.Context()))
		}
		p.refuse.Store(false)
		save(t, s, fmt.Sprint("msg", round+1)) // at once, on a connection of its own
	}
	if n := count(t, s); n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
	waitUntil(t, "no goroutine is left of the outages", func() bool { return runtime.NumGoroutine() <= before+4 })
}

// A reader does not hear of connections that broke while nobody used them, nor of one that breaks under it.
func TestReadsOutliveBrokenConnections(t *testing.T) {
	p, dsn := newProxy(t, migrated(t))
	s := openAt(t, with(t, dsn, "pool_max_conns", "4"))
	save(t, s, "msg1")
	for range 10 {
		var g errgroup.Group
		for range 4 {
			g.Go(func() error { _, _, err := s.Seen(t.Context(), chat1, "msg1"); return err })
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		p.cut()
	}
	one := openAt(t, with(t, dsn, "pool_max_conns", "1"))
	for range 10 {
		p.cutReady.Store(true) // the next word on its only connection
		if _, known, err := one.Seen(t.Context(), chat1, "msg1"); !known || err != nil {
			t.Errorf("Seen = %v, %v", known, err)
		}
	}
}

// The server's last word is the commit. A connection that breaks before it leaves the caller without an answer: it is an
// outage and never success, and the same event again is no second message.
func TestCommitWithoutAnAnswerIsAnOutage(t *testing.T) {
	p, dsn := newProxy(t, migrated(t))
	s := openAt(t, dsn)
	save(t, s, "msg0") // prepares the statements, which are answered in the same way
	for i := range 10 {
		id := fmt.Sprint("msg", i+1)
		p.cutReady.Store(true)
		saved, err := s.SaveMessage(t.Context(), "evt_"+id, received(id))
		if saved {
			t.Error("saved without the server's answer")
		}
		outage(t, "SaveMessage", err)
		if _, err := s.SaveMessage(t.Context(), "evt_"+id, received(id)); err != nil {
			t.Error(err)
		}
		if n := count(t, s); n != i+2 {
			t.Fatalf("%d messages, want %d", n, i+2)
		}
	}
}

func TestBlackHoleEndsWithTheCallersContext(t *testing.T) {
	p, dsn := newProxy(t, migrated(t))
	s := openAt(t, dsn)
	save(t, s, "msg1")
	p.swallow.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.SaveMessage(ctx, "evt_msg2", received("msg2")); !errors.Is(err, context.DeadlineExceeded) || messages.IsUnavailable(err) {
		t.Errorf("%v, want the context's error and no outage", err)
	}
	p.swallow.Store(false)
	save(t, s, "msg3")
}

func TestServerThatEndsSessionsIsAnOutage(t *testing.T) {
	dsn := migrated(t)
	s := openAt(t, with(t, dsn, "pool_max_conns", "1"))
	save(t, s, "msg1")
	outage(t, "write", s.write(t.Context(), "test", func(c *call) { c.exec(`SELECT pg_terminate_backend(pg_backend_pid())`) })) // 57P01
	save(t, s, "msg2")
}

func TestTooManyConnectionsIsAnOutage(t *testing.T) {
	role := "livepipe_test_" + strings.ToLower(rand.Text())
	dsn := migrated(t)
	execute(t, dsn, "CREATE ROLE "+role+" LOGIN", "GRANT ALL ON ALL TABLES IN SCHEMA public TO "+role)
	t.Cleanup(func() { execute(t, dsn, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "hunter2")
	s := openAt(t, u.String())
	save(t, s, "msg1")
	execute(t, dsn, "ALTER ROLE "+role+" CONNECTION LIMIT 0")
	s.pool.Reset()
	_, err = s.SaveMessage(t.Context(), "evt_msg2", received("msg2"))
	outage(t, "SaveMessage", err)
	execute(t, dsn, "ALTER ROLE "+role+" NOLOGIN CONNECTION LIMIT -1")
	outage(t, "no login", s.Health(t.Context()))
	execute(t, dsn, "ALTER ROLE "+role+" LOGIN", "REVOKE ALL ON messages FROM "+role)
	_, err = s.SaveMessage(t.Context(), "evt_msg2", received("msg2"))
	outage(t, "no privileges", err)
	execute(t, dsn, "GRANT ALL ON messages TO "+role)
	save(t, s, "msg2")
}

// After a failover a connection may still lead to the former primary, which takes no writes any more.
func TestReadOnlyServerIsAnOutageAndItsConnectionsAreGivenUp(t *testing.T) {
	dsn := migrated(t)
	p, through := newProxy(t, dsn)
	s := openAt(t, with(t, through, "pool_max_conns", "1"))
	save(t, s, "msg1")
	dials := p.accepted.Load()
	if err := s.read(t.Context(), "test", func(c *call) { c.exec(`SET default_transaction_read_only = on`) }); err != nil {
		t.Fatal(err)
	}
	_, err := s.SaveMessage(t.Context(), "evt_msg2", received("msg2"))
	outage(t, "SaveMessage", err)
	save(t, s, "msg2") // by a new connection, whose session may write
	if n := p.accepted.Load(); n != dials+1 {
		t.Errorf("%d connections were made, want one", n-dials)
	}
}

func TestCloseWaitsForTheCallsInFlight(t *testing.T) {
	dsn := migrated(t)
	s := openAt(t, dsn)
	var acknowledged atomic.Int32
	var g errgroup.Group
	first := make(chan struct{}, 16)
	for i := range 16 {
		g.Go(func() error {
			for n := 0; ; n++ {
				id := fmt.Sprint(i, "-", n)
				saved, err := s.SaveMessage(t.Context(), "evt_"+id, received(id))
				if messages.IsUnavailable(err) {
					return nil
				}
				if !saved || err != nil {
					return fmt.Errorf("%v, %w", saved, err)
				}
				acknowledged.Add(1)
				if n == 0 {
					first <- struct{}{}
				}
			}
		})
	}
	for range 16 {
		<-first
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, openAt(t, dsn)); n != int(acknowledged.Load()) {
		t.Errorf("%d messages, %d acknowledged", n, acknowledged.Load())
	}
}
