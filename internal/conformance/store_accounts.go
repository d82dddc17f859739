package conformance

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

var accountAt = time.Date(2024, time.January, 15, 10, 30, 0, 123456000, time.UTC)

// account is a tenant with one bearer token.
func account(of messages.Tenant, token string, at time.Time) store.Account {
	return store.Account{Tenant: of, CreatedAt: at, Credentials: []store.Credential{{
		ID: "cred_" + token, Kind: store.BearerToken, Name: "default", SHA256: sha256.Sum256([]byte(token)), AddedAt: at,
	}}}
}

func mustSaveAccount(t *testing.T, s S, a store.Account) {
	t.Helper()
	if err := s.SaveAccount(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

func accounts(t *testing.T, s S) {
	one, two := messages.Tenant{Org: "org1", LiveChat: "lc1"}, messages.Tenant{Org: "org1", LiveChat: "lc2"}
	first, second := account(one, "a", accountAt), account(one, "b", accountAt.Add(time.Second))
	for _, a := range []store.Account{account(two, "c", accountAt), first, second, account(one, "a", accountAt.Add(time.Hour))} {
		mustSaveAccount(t, s, a)
	}
	first.Credentials = append(first.Credentials, second.Credentials...)
	want := []store.Account{first, account(two, "c", accountAt)}
	all, err := s.Accounts(t.Context())
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Error(diff, err)
	}
	got, err := s.Account(t.Context(), one)
	if diff := cmp.Diff(want[0], got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if err := s.RemoveAccount(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	_, gone := s.Account(t.Context(), one)
	for _, err := range []error{gone, s.RemoveAccount(t.Context(), one)} {
		if !errors.Is(err, store.ErrUnknownAccount) || messages.IsUnavailable(err) {
			t.Errorf("after removal: %v, want ErrUnknownAccount", err)
		}
	}
	if all, err := s.Accounts(t.Context()); len(all) != 1 || err != nil {
		t.Errorf("Accounts = %v, %v, want one", all, err)
	}
	mustSaveAccount(t, s, account(one, "d", accountAt))
	if got, err := s.Account(t.Context(), one); err != nil || len(got.Credentials) != 1 {
		t.Errorf("a new account has %d credentials (%v), want only its own", len(got.Credentials), err)
	}
}

func accountEver(t *testing.T, s S) {
	expect := func(want bool) {
		t.Helper()
		if got, err := s.AnyAccountEver(t.Context()); got != want || err != nil {
			t.Errorf("AnyAccountEver = %v, %v, want %v", got, err, want)
		}
	}
	expect(false)
	mustSaveAccount(t, s, account(chat1.Tenant, "a", accountAt))
	expect(true)
	if err := s.RemoveAccount(t.Context(), chat1.Tenant); err != nil {
		t.Fatal(err)
	}
	expect(true)
}
