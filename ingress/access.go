package ingress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
)

// access decides whether callers need credentials at all, and keeps an open door for this machine's own.
type access struct {
	mode     Access
	loopback bool
	hosts    map[string]bool
	cors     *cors
	accounts Accounts
	closed   atomic.Bool // an account was made once: that is never undone, so it is asked for only until then
}

func newAccess(c Config, cors *cors, accounts Accounts) *access {
	a := &access{mode: c.Access, loopback: c.Loopback, hosts: map[string]bool{"localhost": true}, cors: cors, accounts: accounts}
	for _, host := range c.Hosts {
		a.hosts[strings.ToLower(host)] = true
	}
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

// admits reports whether everybody may call now, in which case the caller has to be one of this machine's own.
func (a *access) admits(r *http.Request) (open bool, err error) {
	open, err = a.open(r.Context())
	if err != nil || !open {
		return false, err
	}
	return true, a.checkLocal(r)
}

// checkPublic is for what needs no credentials: in open mode it is still no business of foreign pages.
func (a *access) checkPublic(r *http.Request) error {
	_, err := a.admits(r)
	return err
}

// checkLocal keeps other people's pages from using the open door through a browser on this machine: a name that their
// DNS points here (rebinding) shows in Host, and a page of theirs in Origin.
func (a *access) checkLocal(r *http.Request) error {
	if !a.isOurHost(r.Host) {
		return refuse(codeForeignHost)
	}
	origin := r.Header.Get("Origin")
	if origin == "" || a.cors.allows(origin) || sameOrigin(origin, r.Host) {
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
