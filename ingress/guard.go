package ingress

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/internal/store"
)

// Why credentials were refused, in metrics. Callers are never told.
const (
	reasonMissing      = "missing"            // none that count for the action
	reasonUnknown      = "unknown_account"    // no such account
	reasonWrong        = "wrong"              // no valid credential of the account is it, or its signature is too old
	reasonOrganization = "other_organization" // the body is of another organization than the account
	reasonSlowed       = "slowed"             // too many were refused for this identifier just now
	reasonReused       = "webhook_id_reused"  // signed well, but its id belongs to another body
)

// guard lets those pass who show a valid credential.
type guard struct {
	accounts Accounts
	cache    *accountsCache
	failures *failures
	signed   *signedBodies
	decoys   decoys
	nobody   string // an organization that nobody has, to look up where none is named
	metrics  *metrics
	log      *slog.Logger

	noLearning moment // the store did not take an organization just now
}

func newGuard(d Deps, m *metrics) (*guard, error) {
	opener, faultOpener := newOpener(d.Secrets, d.Logger)
	cache, faultCache := newAccountsCache(d.Accounts, opener.open)
	failures, faultFailures := newFailures()
	signed, faultSigned := newSignedBodies()
	decoys, faultDecoys := newDecoys()
	g := &guard{
		accounts: d.Accounts, cache: cache, failures: failures, signed: signed, decoys: decoys,
		nobody: rand.Text(), metrics: m, log: d.Logger,
	}
	return g, errors.Join(faultOpener, faultCache, faultFailures, faultSigned, faultDecoys)
}

// organization makes a body's word for its organization fit to look up.
func (g *guard) organization(said string) string {
	if !isOrganization(said) {
		return g.nobody
	}
	return said
}

func isOrganization(s string) bool { return s != "" && len(s) <= maxOrganization && printable(s) }

// check finds the account that a claim speaks for. A claim that the cached account bears out passes without a look-up;
// any other costs exactly one, whatever is wrong with it, so that an answer tells nothing by its time and what was added
// just now counts at once. While the store is down, the last known account lets good claims pass, however old it is, and
// nothing is known about any other.
func (g *guard) check(ctx context.Context, c *claim) (*account, error) {
	arrived := g.cache.now()
	known := g.cache.get(c.of)
	v := g.decoys.judge(known.accounts, c)
	if v.passes() && known.serves.isAhead() {
		return g.pass(ctx, c, v)
	}
	if !v.passes() && !g.failures.mayAsk(c.of) {
		return nil, g.refuse(c, reasonSlowed)
	}
	if v.passes() {
		arrived = 0 // a look-up that is under way will do
	}
	now, err := g.cache.renew(ctx, c.of, arrived)
	switch {
	case err != nil && v.passes():
		return g.pass(ctx, c, v)
	case err != nil:
		return nil, err
	}
	if v = g.decoys.judge(now.accounts, c); v.passes() {
		return g.pass(ctx, c, v)
	}
	return nil, g.refuse(c, v.reason)
}

// ownOrigins finds an account's own origins, if this is one of them. As with a claim, one that the cached account does not
// bear out costs one look-up, whether there is an account or not. While the store is down, the last known one counts.
func (g *guard) ownOrigins(ctx context.Context, key accountKey, origin string) *cors {
	arrived := g.cache.now()
	e := g.cache.get(key)
	own := e.ownOrigins(origin)
	if own != nil {
		if e.serves.isAhead() {
			return own
		}
		arrived = 0 // a look-up that is under way will do
	}
	if now, err := g.cache.renew(ctx, key, arrived); err == nil {
		own = now.ownOrigins(origin)
	}
	return own
}

// refuse gives every claim that failed the same answer, until there are too many for one identifier.
func (g *guard) refuse(c *claim, reason string) error {
	if reason != reasonSlowed && !g.failures.take(c.of) {
		reason = reasonSlowed
	}
	g.metrics.refused.WithLabelValues(reason).Inc()
	if reason == reasonSlowed {
		return &refusal{code: codeTooManyRequests, detail: "Too many requests with credentials that are not valid."}
	}
	return refuse(codeUnauthorized)
}

// pass does what is left for a good claim.
func (g *guard) pass(ctx context.Context, c *claim, v verdict) (*account, error) {
	if !g.learn(ctx, c, v.account) {
		return nil, g.refuse(c, reasonOrganization)
	}
	if c.kind == store.SigningSecret {
		if id := c.header.Get(standardwebhooks.HeaderWebhookID); !g.signed.isFirst(v.account.Tenant, id, c.body) {
			g.log.Warn("a webhook-id came again with another body", "credential", v.credential.ID, "webhook_id", loggable(id))
			g.metrics.refused.WithLabelValues(reasonReused).Inc()
			return nil, refuse(codeWebhookIDReused)
		}
	}
	if !v.credential.RotatedAt.IsZero() {
		g.metrics.rotated.WithLabelValues(string(c.kind)).Inc()
	}
	return v.account, nil
}

// learn binds an account that knows no organization to that of the first body whose secret matched, and reports whether
// the body may pass. A store that does not answer must not cost an event: a later body is as good, and for a second
// nobody tries again.
func (g *guard) learn(ctx context.Context, c *claim, a *account) bool {
	if c.kind != store.LiveChatKey || a.OrganizationID != "" || !isOrganization(c.organization) ||
		g.noLearning.isAhead() {
		return true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	holds, err := g.accounts.LearnOrganization(ctx, a.Tenant, c.organization)
	if err != nil && !errors.Is(err, store.ErrUnknownAccount) {
		g.noLearning.in(askPause)
		g.log.Warn("could not note the organization of an account", "error", err)
		return true
	}
	g.cache.forget(c.of)
	return holds == c.organization
}

// loggable keeps ids of the shape that senders of Standard Webhooks use; anything else could be a text.
func loggable(id string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	if len(id) > 128 || strings.Trim(id, letters) != "" {
		return "(not shown)"
	}
	return id
}
