package ingress_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// account lets the tokens of a tenant in.
func (w *world) account(tenant messages.Tenant, tokens ...string) {
	w.save(store.Account{Tenant: tenant})
	for _, token := range tokens {
		w.credential(tenant, store.BearerToken, token)
	}
}

// save makes or replaces an account, as a command in another process would.
func (w *world) save(a store.Account) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.accounts[a.Tenant] = a
}

// credential gives an account one more credential, and returns its id.
func (w *world) credential(tenant messages.Tenant, kind store.CredentialKind, secret string, change ...func(*store.Credential)) string {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	a := w.store.accounts[tenant]
	c := store.Credential{ID: fmt.Sprintf("cred_%s_%d", tenant.LiveChat, len(a.Credentials)), Kind: kind}
	if kind == store.BearerToken {
		c.SHA256 = sha256.Sum256([]byte(secret))
	} else {
		c.Sealed = w.secrets.Seal(tenant, c, secret)
	}
	for _, f := range change {
		f(&c)
	}
	a.Credentials = append(slices.Clone(a.Credentials), c)
	w.store.accounts[tenant] = a
	return c.ID
}

// remove takes an account away, as a command in another process would.
func (w *world) remove(tenant messages.Tenant) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.ever = true
	delete(w.store.accounts, tenant)
}

// down makes the store fail, or work again when err is nil.
func (s *fakeStore) down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// asked returns how often accounts were looked up, and starts again.
func (s *fakeStore) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.lookups
	s.lookups = 0
	return n
}

// Account implements ingress.Accounts.
func (s *fakeStore) Account(_ context.Context, tenant messages.Tenant) (store.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups++
	a, ok := s.accounts[tenant]
	if s.fail != nil || !ok {
		return store.Account{}, cmp.Or(s.fail, store.ErrUnknownAccount)
	}
	return a, nil
}

// AccountsOf implements ingress.Accounts.
func (s *fakeStore) AccountsOf(_ context.Context, organizationID string) ([]store.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups++
	if len(organizationID) > 256 || strings.Contains(organizationID, "\x00") {
		return nil, errors.New("a text that PostgreSQL does not take")
	}
	var all []store.Account
	for _, a := range s.accounts {
		if a.OrganizationID == organizationID {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b store.Account) int { return cmp.Compare(a.LiveChat, b.LiveChat) })
	return all, s.fail
}

// LearnOrganization implements ingress.Accounts.
func (s *fakeStore) LearnOrganization(_ context.Context, of messages.Tenant, organizationID string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learned++
	if strings.Contains(organizationID, "\x00") {
		return "", errors.New("a text that PostgreSQL does not take")
	}
	a, ok := s.accounts[of]
	if s.fail != nil || !ok {
		return "", cmp.Or(s.fail, store.ErrUnknownAccount)
	}
	a.OrganizationID = cmp.Or(a.OrganizationID, organizationID)
	s.accounts[of] = a
	return a.OrganizationID, nil
}

// AnyAccountEver implements ingress.Accounts.
func (s *fakeStore) AnyAccountEver(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ever || len(s.accounts) > 0, s.fail
}
