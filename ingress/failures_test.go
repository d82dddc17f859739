package ingress_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// TestGuessing holds S16: whoever guesses is slowed down for the identifier that he guesses at, known or not; who shows a
// valid credential meanwhile never notices; and one that was added just now is kept out for a fifth of a second at most.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		wants(t, "before", w.withToken("token"), "200")
		for name, of := range map[string]messages.Tenant{"known": tenant, "unknown": {Org: "nobody", LiveChat: "lc"}} {
			guess := func() answer { return w.post(owlPathOf(of), says(owlBody{}), withToken("guess")...) }
			for range 20 {
				wants(t, name, guess(), "401 unauthorized")
			}
			w.store.asked()
			for range 1000 {
				got := guess()
				wants(t, name, got, "429 too_many_requests")
				if got.header.Get("Retry-After") != "1" {
					t.Fatalf("%s: Retry-After %q", name, got.header.Get("Retry-After"))
				}
				if of == tenant {
					wants(t, "meanwhile", w.withToken("token"), "200")
				}
			}
			if asked := w.store.asked(); asked > 0 {
				t.Errorf("%s: %d look-ups for a thousand guesses", name, asked)
			}
		}
		other := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
		wants(t, "another identifier", w.post(owlPathOf(other), says(owlBody{}), withToken("guess")...), "401 unauthorized")

		w.credential(tenant, store.BearerToken, "rotated in")
		time.Sleep(100 * time.Millisecond)
		w.withToken("guess")
		start := time.Now()
		for w.withToken("rotated in").status != 200 {
			if time.Since(start) > 200*time.Millisecond {
				t.Fatal("a new credential is kept out by somebody else's guesses")
			}
			time.Sleep(50 * time.Millisecond)
			w.withToken("guess") // 20 a second: whatever the bucket gets is used up
		}
		time.Sleep(2 * time.Second)
		wants(t, "the bucket fills again", w.withToken("guess"), "401 unauthorized")
	})
}

// TestGuessingDuringAnOutage holds that nobody is told that he is wrong by a store that does not know, and that those
// guesses count for nothing.
func TestGuessingDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		wants(t, "before", w.withToken("token"), "200")
		w.store.down(messages.Unavailable(errDown))
		for range 100 {
			wants(t, "guess", w.withToken("guess"), "503 unavailable")
		}
		w.store.down(nil)
		wants(t, "after", w.withToken("guess"), "401 unauthorized")
	})
}
