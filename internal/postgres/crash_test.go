package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// acknowledged is what the store has said yes to.
type acknowledged struct {
	mu  sync.Mutex
	ids []string
	at  chan struct{} // closed when there are as many as were waited for
	n   int
}

func (a *acknowledged) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids = append(a.ids, id); len(a.ids) == a.n {
		close(a.at)
	}
}

// await returns once n more are acknowledged.
func (a *acknowledged) await(n int) {
	a.mu.Lock()
	a.at, a.n = make(chan struct{}), len(a.ids)+n
	at := a.at
	a.mu.Unlock()
	<-at
}

// The server is killed again and again while messages come. Whatever was acknowledged is there afterwards, with exact
// counters, although the server's own setting (synchronous_commit=off) would have lost the last of it; the writers go on
// by themselves, with the same Store.
func TestKilledServerLosesNothing(t *testing.T) {
	server := startServer(t, "synchronous_commit=off", "wal_writer_delay=10000ms")
	s := openAt(t, migratedAs(t, server.dsn))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var done acknowledged
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; {
				id := fmt.Sprintf("%d-%d", w, n)
				_, err := s.SaveMessage(ctx, "evt_"+id, received(id)) // false after a commit that nobody heard of
				switch {
				case err == nil:
					done.add(id)
					n++
				case !messages.IsUnavailable(err) && ctx.Err() == nil:
					t.Errorf("SaveMessage = %v, want an outage", err)
					return
				}
			}
		})
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	const kills = 5
	for range kills {
		done.await(1 + rnd.IntN(300))
		server.kill()
		server.start()
	}
	done.await(100) // all is as before
	stop()
	writers.Wait()
	there := map[string]bool{}
	page, err := s.Page(t.Context(), store.Query{Chat: chat1, Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		there[e.ID] = true
	}
	lost := 0
	for _, id := range done.ids {
		if !there[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged messages are gone", lost, len(done.ids))
	}
	if n := count(t, s); n < len(done.ids) || n > len(done.ids)+kills*16+16 {
		t.Errorf("%d messages, %d acknowledged", n, len(done.ids))
	}
	t.Logf("%d acknowledged messages, %d kills, %d lost", len(done.ids), kills, lost)
}
