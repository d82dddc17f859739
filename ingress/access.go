package ingress

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// Accounts knows which tenants may call.
type Accounts interface {
	// Account returns the tenant's account or store.ErrUnknownAccount.
	Account(ctx context.Context, tenant messages.Tenant) (store.Account, error)
	// AnyAccountEver reports whether an account was ever made, also if it is gone by now.
	AnyAccountEver(ctx context.Context) (bool, error)
}

// maxToken bounds what is hashed for a caller that we do not know. Our own tokens have some 50 characters.
const maxToken = 512

// access decides who may call.
type access struct {
	mode     Access
	loopback bool
	hosts    map[string]bool
	cors     *cors
	accounts Accounts
	closed   atomic.Bool // an account was made once: that is never undone, so it is asked for only until then
	decoy    [][32]byte  // is compared with when there is no account, so that its absence takes as long
}

func newAccess(c Config, cors *cors, accounts Accounts) *access {
	a := &access{mode: c.Access, loopback: c.Loopback, hosts: map[string]bool{"localhost": true}, cors: cors, accounts: accounts}
	for _, host := range c.Hosts {
		a.hosts[strings.ToLower(host)] = true
	}
	a.decoy = make([][32]byte, 1)
	rand.Read(a.decoy[0][:])
	return a
}

// open reports whether everybody may call now.
func (a *access) open(ctx context.Context) (bool, error) {
	switch {
	case a.mode == AccessOpen:
		return true, nil
	case a.mode == AccessAccounts, !a.loopback, a.closed.Load():
		return false, nil
	}
	ever, err := a.accounts.AnyAccountEver(ctx)
	if err != nil {
		return false, fmt.Errorf("look for accounts: %w", err)
	}
	if ever {
		a.closed.Store(true)
	}
	return !ever, nil
}

// check lets a request of the tenant pass or says why not.
func (a *access) check(r *http.Request, tenant messages.Tenant) error {
	open, err := a.open(r.Context())
	if err != nil {
		return err
	}
	if open {
		return a.checkLocal(r)
	}
	return a.checkToken(r, tenant)
}

// checkPublic is for what needs no credentials: in open mode it is still no business of foreign pages.
func (a *access) checkPublic(r *http.Request) error {
	open, err := a.open(r.Context())
	if err != nil || !open {
		return err
	}
	return a.checkLocal(r)
}

// checkLocal keeps other people's pages from using the open door through a browser on this machine: a name that their
// DNS points here (rebinding) shows in Host, and a page of theirs in Origin.
func (a *access) checkLocal(r *http.Request) error {
	if !a.isOurHost(r.Host) {
		return refuse(codeForeignHost)
	}
	origin := r.Header.Get("Origin")
	if origin == "" || a.cors.allows(origin) || origin == "http://"+r.Host || origin == "https://"+r.Host {
		return nil
	}
	return refuse(codeForeignOrigin)
}

func (a *access) isOurHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if address, err := netip.ParseAddr(host); err == nil && address.Unmap().IsLoopback() {
		return true
	}
	return a.hosts[strings.ToLower(host)]
}

// checkToken does the same work, with the same answer, for a missing token, a wrong one and an unknown tenant.
func (a *access) checkToken(r *http.Request, tenant messages.Tenant) error {
	token := bearer(r)
	sum := sha256.Sum256([]byte(token))
	account, err := a.accounts.Account(r.Context(), tenant)
	var hashes [][32]byte
	for _, c := range account.Credentials {
		if c.Kind == store.BearerToken && c.ValidAt(time.Now()) {
			hashes = append(hashes, c.SHA256)
		}
	}
	switch {
	case errors.Is(err, store.ErrUnknownAccount), err == nil && len(hashes) == 0:
		hashes = a.decoy
	case err != nil:
		return fmt.Errorf("look up account: %w", err)
	}
	same := 0
	for i := range hashes {
		same |= subtle.ConstantTimeCompare(sum[:], hashes[i][:])
	}
	if same == 1 && token != "" {
		return nil
	}
	return refuse(codeUnauthorized)
}

// bearer takes the token out of "Authorization: Bearer <token>" (RFC 6750, section 2.1), or returns "".
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken {
		return ""
	}
	return strings.TrimSpace(token)
}
