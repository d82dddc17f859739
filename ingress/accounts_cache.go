package ingress

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	// accountFresh is how long a look-up serves good requests: what is removed stops to count everywhere after 10 s and
	// one look-up, well within the 30 s that are promised.
	accountFresh = 10 * time.Second
	// askTimeout bounds a look-up: with the 3 s that publishing may take, LiveChat's 10 s are never used up.
	askTimeout = 2 * time.Second
	// askPause is how long the last known accounts serve after a look-up that failed, so that not every request of an
	// outage waits for the store.
	askPause = time.Second
	// maxAccounts bounds the memory: 16,384 accounts of about 1 KiB. Only accounts that exist are kept, so nobody can fill
	// it with guesses.
	maxAccounts = 1 << 14
)

// accountKey is how an account is found: by its tenant, or by the provider's organization.
type accountKey struct {
	messages.Tenant
	organization string
}

func (k accountKey) String() string {
	return strconv.Itoa(len(k.Org)) + ":" + k.Org + strconv.Itoa(len(k.LiveChat)) + ":" + k.LiveChat + k.organization
}

// accountsCache keeps accounts between requests, and the last known ones while the store is down.
type accountsCache struct {
	store   Accounts
	open    func(store.Account) *account
	clock   atomic.Uint64 // tells look-ups that began after a request from those that it only joined
	flights singleflight.Group
	entries *lru.Cache[accountKey, *entry]
}

// entry is the answer of one look-up.
type entry struct {
	accounts []*account
	began    uint64 // by the cache's clock
	serves   moment // until then good requests need no look-up
}

func (e *entry) ownOrigins(origin string) *cors {
	for _, a := range e.accounts {
		if a.cors != nil && a.cors.allows(origin) {
			return a.cors
		}
	}
	return nil
}

// moment is a time to come that many goroutines look at. It goes by the monotonic clock: whoever sets the wall clock
// back brings nothing back.
type moment struct{ at atomic.Pointer[time.Time] }

func (m *moment) in(d time.Duration) {
	at := time.Now().Add(d)
	m.at.Store(&at)
}

func (m *moment) isAhead() bool {
	at := m.at.Load()
	return at != nil && time.Now().Before(*at)
}

func newAccountsCache(from Accounts, open func(store.Account) *account) (*accountsCache, error) {
	entries, err := lru.New[accountKey, *entry](maxAccounts)
	return &accountsCache{store: from, open: open, entries: entries}, err
}

// now is a moment to compare look-ups with.
func (c *accountsCache) now() uint64 { return c.clock.Add(1) }

// get returns what is known, which is nothing at first. It asks nobody.
func (c *accountsCache) get(key accountKey) *entry {
	if e, ok := c.entries.Get(key); ok {
		return e
	}
	return &entry{}
}

// renew looks the accounts up. Requests share a look-up that is under way, unless it began before the moment: then it
// may have missed what was changed just before the request.
func (c *accountsCache) renew(ctx context.Context, key accountKey, since uint64) (*entry, error) {
	shared, err, _ := c.flights.Do(key.String(), func() (any, error) { return c.ask(ctx, key) })
	if err != nil {
		c.get(key).serves.in(askPause)
		return nil, err
	}
	if e := shared.(*entry); e.began > since {
		return e, nil
	}
	return c.ask(ctx, key)
}

// ask asks the store. A caller who hangs up does not stop it: others wait for the answer too.
func (c *accountsCache) ask(ctx context.Context, key accountKey) (*entry, error) {
	e := &entry{began: c.now()}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	found, err := c.find(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	for _, a := range found {
		e.accounts = append(e.accounts, c.open(a))
	}
	e.serves.in(accountFresh)
	c.keep(key, e)
	return e, nil
}

func (c *accountsCache) find(ctx context.Context, key accountKey) ([]store.Account, error) {
	if key.organization != "" {
		return c.store.AccountsOf(ctx, key.organization)
	}
	a, err := c.store.Account(ctx, key.Tenant)
	if errors.Is(err, store.ErrUnknownAccount) {
		return nil, nil
	}
	return []store.Account{a}, err
}

// keep remembers an answer. One that was overtaken by a later look-up lasts no longer than any other.
func (c *accountsCache) keep(key accountKey, e *entry) {
	if len(e.accounts) == 0 {
		c.entries.Remove(key)
		return
	}
	c.entries.Add(key, e)
}

// forget makes the next request look the accounts up.
func (c *accountsCache) forget(key accountKey) { c.get(key).serves.in(0) }
