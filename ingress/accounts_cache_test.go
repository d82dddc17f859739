package ingress_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func (w *world) withToken(token string) answer {
	return w.post(owlPath, says(owlBody{}), withToken(token)...)
}

// TestRemovalCountsSoon holds S1: what is taken away, an account or one credential of it, lets nobody in after 30 s at the
// latest, also while good requests keep coming.
func TestRemovalCountsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, remove := range map[string]func(*world){
			"account":    func(w *world) { w.remove(tenant) },
			"credential": func(w *world) { w.account(tenant, "other") },
		} {
			w := newOwlWorld(t)
			wants(t, name, w.withToken("token"), "200")
			remove(w)
			start := time.Now()
			for w.withToken("token").status == 200 {
				if time.Since(start) > 30*time.Second {
					t.Fatalf("%s: still counts", name)
				}
				time.Sleep(100 * time.Millisecond)
			}
			wants(t, name, w.withToken("token"), "401 unauthorized")
			w.store.down(messages.Unavailable(errDown))
			wants(t, name+", and an outage brings nothing back", w.withToken("token"), "503 unavailable")
		}
	})
}

// TestNewCredentialsCountAtOnce holds that nobody waits for a cache after account add or rotate.
func TestNewCredentialsCountAtOnce(t *testing.T) {
	w := newOwlWorld(t)
	wants(t, "cached", w.withToken("token"), "200")
	wants(t, "before", w.withToken("added"), "401 unauthorized")
	w.credential(tenant, store.BearerToken, "added")
	wants(t, "after", w.withToken("added"), "200")
	another := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
	wants(t, "account, before", w.post(owlPathOf(another), says(owlBody{}), withToken("t")...), "401 unauthorized")
	w.account(another, "t")
	wants(t, "account, after", w.post(owlPathOf(another), says(owlBody{}), withToken("t")...), "200")
}

// TestGoodRequestsAskOnce holds that a busy account costs one look-up in ten seconds.
func TestGoodRequestsAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		for range 1000 {
			wants(t, "busy", w.withToken("token"), "200")
			time.Sleep(25 * time.Millisecond)
		}
		if asked := w.store.asked(); asked > 3 {
			t.Errorf("%d look-ups in 25 s", asked)
		}
	})
}

// TestTheStoreIsDown holds that an outage refuses nobody who was let in before, however long it lasts, lets nobody in who
// was not, and says neither yes nor no to anybody else.
func TestTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		never := messages.Tenant{Org: "org123", LiveChat: "lc-never-seen"}
		w.account(never, "t")
		wants(t, "before", w.withToken("token"), "200")
		wants(t, "before, without an identifier", w.post(owlsPath, says(owlBody{Secret: "secret", Tower: tower})), "200")
		w.store.down(messages.Unavailable(errors.New("no route to host")))
		for range 100 { // 25 hours
			wants(t, "token", w.withToken("token"), "200")
			wants(t, "secret", w.post(owlPath, says(owlBody{Secret: "secret", Tower: tower})), "200")
			wants(t, "without an identifier", w.post(owlsPath, says(owlBody{Secret: "secret", Tower: tower})), "200")
			wants(t, "wrong", w.withToken("wrong"), "503 unavailable")
			wants(t, "missing", w.post(owlPath, says(owlBody{})), "503 unavailable")
			wants(t, "not seen before", w.post(owlPathOf(never), says(owlBody{}), withToken("t")...), "503 unavailable")
			wants(t, "unknown organization", w.post(owlsPath, says(owlBody{Secret: "secret", Tower: "other"})), "503 unavailable")
			time.Sleep(15 * time.Minute)
		}
		w.store.asked()
		for range 50 {
			wants(t, "token", w.withToken("token"), "200")
			time.Sleep(10 * time.Millisecond)
		}
		if asked := w.store.asked(); asked > 1 {
			t.Errorf("%d look-ups in half a second: each may hang as long as it is let", asked)
		}
		w.store.down(nil)
		wants(t, "after, wrong", w.withToken("wrong"), "401 unauthorized")
		wants(t, "after", w.withToken("token"), "200")
	})
}

// hangingAccounts is a store whose look-ups wait until they are let go.
type hangingAccounts struct {
	ingress.Accounts
	begun chan struct{}
	goOn  chan struct{}
}

func (h *hangingAccounts) Account(ctx context.Context, of messages.Tenant) (store.Account, error) {
	a, err := h.Accounts.Account(ctx, of) // what was there when it was asked
	h.begun <- struct{}{}
	select {
	case <-h.goOn:
		return a, err
	case <-ctx.Done():
		return store.Account{}, ctx.Err()
	}
}

// TestLookUpsAreShared holds that a thousand requests of a cold start ask once, and that one who was given a credential
// after that look-up began is not refused by it.
func TestLookUpsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hangingAccounts{begun: make(chan struct{}, 2000), goOn: make(chan struct{})}
		w := newOwlWorld(t, func(w *world) { h.Accounts = w.store; w.deps.Accounts = h })
		var running sync.WaitGroup
		running.Go(func() { wants(t, "first", w.withToken("token"), "200") })
		<-h.begun
		w.credential(tenant, store.BearerToken, "added")
		running.Go(func() { wants(t, "added meanwhile", w.withToken("added"), "200") })
		other := messages.Tenant{Org: "org123", LiveChat: "lc-790"}
		w.account(other, "t")
		running.Go(func() { wants(t, "another's", w.post(owlPathOf(other), says(owlBody{}), withToken("t")...), "200") })
		synctest.Wait()
		if asked := w.store.asked(); asked != 2 {
			t.Errorf("%d look-ups, want one for each account", asked)
		}
		close(h.goOn)
		running.Wait()
		if asked := w.store.asked(); asked != 1 {
			t.Errorf("%d look-ups, want one more for what was added meanwhile", asked)
		}
		time.Sleep(time.Minute) // the cache is old now
		h.goOn = make(chan struct{})
		for range 1000 {
			running.Go(func() { wants(t, "good", w.withToken("token"), "200") })
		}
		synctest.Wait()
		close(h.goOn)
		running.Wait()
		if asked := w.store.asked(); asked != 1 {
			t.Errorf("%d look-ups for a thousand requests", asked)
		}
	})
}

// TestAStoreThatHangs holds that it costs a known sender seconds and no more: LiveChat waits for ten.
func TestAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hangingAccounts{begun: make(chan struct{}, 2000), goOn: make(chan struct{}, 1)}
		w := newOwlWorld(t, func(w *world) { h.Accounts = w.store; w.deps.Accounts = h })
		h.goOn <- struct{}{}
		wants(t, "before", w.withToken("token"), "200")
		time.Sleep(time.Hour)
		for want, token := range map[string]string{"200": "token", "503 unavailable": "wrong"} {
			start := time.Now()
			wants(t, token, w.withToken(token), want)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("%s: answered after %s", token, took)
			}
		}
	})
}

// TestRotation holds S1 while credentials change: two organizations rotate a secret of each kind every few seconds, with
// overlaps, between good and bad requests. No good one is refused and no bad one is let in.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		tenants := []messages.Tenant{{Org: "north", LiveChat: "lc"}, {Org: "south", LiveChat: "lc"}}
		kinds := []store.CredentialKind{store.BearerToken, store.LiveChatKey, store.SigningSecret}
		name := func(of messages.Tenant, round int) string { return fmt.Sprintf("%s%d", of.Org, round) }
		const overlap, every, rounds = 20 * time.Second, 15 * time.Second, 6
		rotate := func(round int) {
			for _, of := range tenants {
				a := w.store.accounts[of]
				a.Credentials = slices.Clone(a.Credentials)
				for i := range a.Credentials {
					if c := &a.Credentials[i]; c.RotatedAt.IsZero() {
						c.RotatedAt, c.ExpiresAt = time.Now(), time.Now().Add(overlap)
					}
				}
				w.save(a)
				for _, kind := range kinds {
					w.credential(of, kind, ofKind(kind, name(of, round)))
				}
			}
		}
		for _, of := range tenants {
			w.save(store.Account{Tenant: of, OrganizationID: tower})
		}
		counts := map[string]int{}
		send := func(what, want string, of messages.Tenant, secretOf messages.Tenant, round int) {
			for _, kind := range kinds {
				body, headers := present(kind, ofKind(kind, name(secretOf, round)))
				got := w.post(owlPathOf(of), body, headers...)
				counts[fmt.Sprintf("%s: %d", what, got.status)]++
				if fmt.Sprint(got.status) != want {
					wants(t, fmt.Sprintf("%s %s, round %d", what, kind, round), got, want)
				}
				w.bus.published = nil
			}
		}
		for round := range rounds {
			rotate(round)
			for at := time.Duration(0); at < every; at += 250 * time.Millisecond {
				for i, of := range tenants {
					send("new", "200", of, of, round)
					if round > 0 {
						send("old, within its overlap", "200", of, of, round-1)
					}
					if round > 1 && at > overlap-every {
						time.Sleep(time.Second) // a refusal each second: what is slowed down is held elsewhere
						at += time.Second
						send("old, after its overlap", "401", of, of, round-2)
						send("of the other", "401", of, tenants[1-i], round)
					}
				}
				time.Sleep(250 * time.Millisecond)
			}
		}
		t.Log(counts)
	})
}
