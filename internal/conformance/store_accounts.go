package conformance

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

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

// wholeAccount has every field set, and a credential of each kind in each state.
func wholeAccount(of messages.Tenant) store.Account {
	a := account(of, "a", accountAt)
	a.OrganizationID = "0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11"
	a.Limits = store.Limits{
		RequestsPerSecond: 2.5, BodyBytes: 1 << 40, UploadBytes: 1, Origins: []string{"https://a.example", "*"}, RetentionDays: 90,
	}
	later := func(seconds int) time.Time { return accountAt.Add(time.Duration(seconds) * time.Second) }
	a.Credentials[0].RotatedAt, a.Credentials[0].ExpiresAt = later(10), later(20)
	return with(a,
		store.Credential{ID: "cred_b", Kind: store.LiveChatKey, Name: "default", WebhookID: "webhook1", Sealed: []byte{0, 1, 255}, AddedAt: later(1)},
		store.Credential{ID: "cred_c", Kind: store.SigningSecret, Name: "ci", Sealed: []byte("whsec"), AddedAt: later(2), ExpiresAt: later(30)},
	)
}

func with(a store.Account, more ...store.Credential) store.Account {
	a.Credentials = append(append([]store.Credential(nil), a.Credentials...), more...)
	return a
}

func expectAccount(t *testing.T, s S, want store.Account) {
	t.Helper()
	got, err := s.Account(t.Context(), want.Tenant)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("account of %s: %s %v", want.LiveChat, diff, err)
	}
}

func accountComesBack(t *testing.T, s S) {
	whole := wholeAccount(chat1.Tenant)
	mustSaveAccount(t, s, whole)
	bare := store.Account{Tenant: messages.Tenant{Org: "org1", LiveChat: "lc0"}, CreatedAt: accountAt}
	mustSaveAccount(t, s, bare)
	expectAccount(t, s, whole)
	expectAccount(t, s, bare)
	all, err := s.Accounts(t.Context())
	if diff := cmp.Diff([]store.Account{bare, whole}, all); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// accountSavedAgain is a rotation beside a change of limits: what is not in a credential's hands to change stays.
func accountSavedAgain(t *testing.T, s S) {
	whole := wholeAccount(chat1.Tenant)
	mustSaveAccount(t, s, whole)
	changed := whole.Credentials[1]
	changed.WebhookID, changed.RotatedAt, changed.ExpiresAt = "webhook2", accountAt.Add(time.Hour), accountAt.Add(25*time.Hour)
	forged := changed
	forged.Kind, forged.Name, forged.Sealed, forged.AddedAt = store.SigningSecret, "other", []byte("forged"), accountAt.Add(time.Hour)
	added := store.Credential{ID: "cred_d", Kind: store.LiveChatKey, Name: "default", Sealed: []byte("new"), AddedAt: accountAt.Add(time.Hour)}
	mustSaveAccount(t, s, store.Account{
		Tenant: whole.Tenant, CreatedAt: accountAt.Add(time.Hour), Limits: store.Limits{RetentionDays: 1},
		Credentials: []store.Credential{forged, added},
	})
	want := whole
	want.Limits = store.Limits{RetentionDays: 1}
	want.Credentials = []store.Credential{whole.Credentials[0], changed, whole.Credentials[2], added}
	expectAccount(t, s, want)

	want.OrganizationID = "another" // which its operator may set
	mustSaveAccount(t, s, store.Account{Tenant: whole.Tenant, CreatedAt: accountAt, OrganizationID: "another", Limits: want.Limits})
	expectAccount(t, s, want)
}

// accountsSavedTogether adds a credential each to one account that nobody has made yet.
func accountsSavedTogether(t *testing.T, s S) {
	const n = 20
	var g errgroup.Group
	for i := range n {
		g.Go(func() error { return s.SaveAccount(t.Context(), account(chat1.Tenant, fmt.Sprint(i), accountAt)) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	got, err := s.Account(t.Context(), chat1.Tenant)
	if err != nil || len(got.Credentials) != n {
		t.Errorf("%d credentials (%v), want %d", len(got.Credentials), err, n)
	}
}

// credentialsApart gives two tenants, whose names join to the same text, credentials of the same id.
func credentialsApart(t *testing.T, s S) {
	one, two := messages.Tenant{Org: "org1", LiveChat: "lc1"}, messages.Tenant{Org: "org1l", LiveChat: "c1"}
	first, second := wholeAccount(one), wholeAccount(two)
	second.OrganizationID = "of the second"
	second.Credentials[1].Sealed = []byte("of the second")
	mustSaveAccount(t, s, first)
	mustSaveAccount(t, s, second)
	expectAccount(t, s, first)
	if err := s.RemoveCredential(t.Context(), one, "cred_b"); err != nil {
		t.Fatal(err)
	}
	first.Credentials = []store.Credential{first.Credentials[0], first.Credentials[2]}
	expectAccount(t, s, first)
	expectAccount(t, s, second)
	stranger := messages.Tenant{Org: "org1", LiveChat: "nobody"}
	for name, err := range map[string]error{
		"removed already":   s.RemoveCredential(t.Context(), one, "cred_b"),
		"never there":       s.RemoveCredential(t.Context(), one, "cred_z"),
		"of another tenant": s.RemoveCredential(t.Context(), stranger, "cred_a"),
	} {
		if !errors.Is(err, store.ErrUnknownCredential) || messages.IsUnavailable(err) {
			t.Errorf("%s: %v, want ErrUnknownCredential", name, err)
		}
	}
	if err := s.RemoveAccount(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	expectAccount(t, s, second)
	mustSaveAccount(t, s, store.Account{Tenant: one, CreatedAt: accountAt})
	expectAccount(t, s, store.Account{Tenant: one, CreatedAt: accountAt}) // nothing of the removed one comes back
}

func organizationLearnedOnce(t *testing.T, s S) {
	one, two := messages.Tenant{Org: "org1", LiveChat: "lc1"}, messages.Tenant{Org: "org1", LiveChat: "lc2"}
	mustSaveAccount(t, s, account(one, "a", accountAt))
	mustSaveAccount(t, s, account(two, "b", accountAt))
	if got, err := s.LearnOrganization(t.Context(), one, ""); got != "" || err != nil {
		t.Errorf("nothing to learn: %q, %v", got, err)
	}
	const n = 20
	told := make([]string, n)
	var g errgroup.Group
	for i := range n {
		g.Go(func() (err error) {
			told[i], err = s.LearnOrganization(t.Context(), one, fmt.Sprint("organization", i))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	holds := told[0]
	for i, got := range told {
		if got != holds || holds == "" {
			t.Errorf("call %d was told %q, another %q", i, got, holds)
		}
	}
	want := account(one, "a", accountAt)
	want.OrganizationID = holds
	expectAccount(t, s, want)
	mustSaveAccount(t, s, account(one, "a", accountAt)) // by somebody who read it before
	expectAccount(t, s, want)
	expectAccount(t, s, account(two, "b", accountAt))
	if got, err := s.LearnOrganization(t.Context(), messages.Tenant{Org: "org1", LiveChat: "lc3"}, "x"); got != "" || !errors.Is(err, store.ErrUnknownAccount) {
		t.Errorf("of no account: %q, %v, want ErrUnknownAccount", got, err)
	}
}

func accountsOfOrganization(t *testing.T, s S) {
	find := func(organization string, want ...store.Account) {
		t.Helper()
		got, err := s.AccountsOf(t.Context(), organization)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("accounts of %q: %s %v", organization, diff, err)
		}
	}
	one, two, three, four := wholeAccount(chat1.Tenant), account(messages.Tenant{Org: "org0", LiveChat: "lc1"}, "b", accountAt),
		account(messages.Tenant{Org: "org1", LiveChat: "lc2"}, "c", accountAt), account(messages.Tenant{Org: "org1", LiveChat: "lc3"}, "d", accountAt)
	two.OrganizationID, three.OrganizationID = one.OrganizationID, "organization2"
	two.Credentials[0] = store.Credential{ID: "cred_e", Kind: store.LiveChatKey, Name: "default", Sealed: []byte{1}, AddedAt: accountAt}
	for _, a := range []store.Account{one, two, three, four} {
		mustSaveAccount(t, s, a)
	}
	find(one.OrganizationID, two, one) // ordered, and with secrets alone as with anything else
	find("organization2", three)
	for _, nobody := range []string{"", "organization3", "Organization2", "organization%", "organization2 ", "a\x00b", "\xff", "' OR 1=1 --"} {
		find(nobody)
	}
	if _, err := s.LearnOrganization(t.Context(), four.Tenant, "organization2"); err != nil {
		t.Fatal(err)
	}
	four.OrganizationID = "organization2"
	find("organization2", three, four)
	if err := s.RemoveAccount(t.Context(), three.Tenant); err != nil {
		t.Fatal(err)
	}
	find("organization2", four)
}
