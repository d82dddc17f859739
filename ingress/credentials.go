package ingress

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/internal/store"
)

const (
	// maxToken bounds what is hashed for a caller that we do not know. Our own tokens have some 50 characters.
	maxToken = 512
	// maxOrganization is the longest id of an organization that is looked up, in bytes. LiveChat's have 36.
	maxOrganization = 256
	// minCompared is how many credentials every claim is compared with at least, so that an account with a few of them
	// and no account at all take the same time.
	minCompared = 4
)

// claim is what a request brings to show whose it is.
type claim struct {
	of           accountKey
	kind         store.CredentialKind
	missing      bool              // nothing was brought that counts for this action
	sum          [sha256.Size]byte // of a token or a provider's secret
	body         []byte            // of a signed request
	header       http.Header       // of a signed request
	organization string            // the provider's id of the sender's account, as the body says; empty: nothing to hold it to
	webhook      string            // the provider's id of the registration, as the body says
	compared     int               // how often matches was asked
}

// claimOf reads the first kind of credentials that is there: a bearer token, a signature, the provider's secret in the
// body. A signature covers the body and neither path nor query, so it is good for what is in the body only: a
// signature made for a message must not open history.
func (e *endpoint) claimOf(q *request, service channels.Service) claim {
	c := claim{kind: store.BearerToken}
	var said channels.Credentials
	if e.channel.Credentials != nil && len(q.body) > 0 {
		said = e.channel.Credentials(q.body)
		c.webhook = said.Webhook
		if !said.Former {
			c.organization = said.Organization
		}
	}
	token, given := bearer(q.r)
	switch {
	case given:
		c.sum, c.missing = sha256.Sum256([]byte(token)), token == ""
	case q.r.Header.Get(standardwebhooks.HeaderWebhookSignature) != "":
		c.kind, c.body, c.header = store.SigningSecret, q.body, q.r.Header
		c.missing = service != channels.Receive
	case said.Secret != "":
		c.kind, c.sum = store.LiveChatKey, sha256.Sum256([]byte(said.Secret))
	default:
		c.missing = true
		q.unsigned = said.Unsigned && service == channels.Receive && q.r.Method == http.MethodPost
	}
	c.of = accountKey{Tenant: q.identity.Tenant}
	if !e.identified {
		c.of = accountKey{organization: e.guard.organization(said.Organization)}
	}
	return c
}

// bearer takes the token out of "Authorization: Bearer <token>" (RFC 6750, section 2.1). One that cannot be ours is "".
func bearer(r *http.Request) (token string, given bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	if len(token) > maxToken {
		return "", true
	}
	return strings.TrimSpace(token), true
}

// verdict is what came of comparing a claim with accounts.
type verdict struct {
	account    *account
	credential *credential
	reason     string // why not; one of the reasons, for metrics only
}

func (v verdict) passes() bool { return v.reason == "" }

// decoys are compared with in place of credentials that are not there.
type decoys struct{ one credential }

func newDecoys() (decoys, error) {
	var d decoys
	rand.Read(d.one.sum[:])
	signer, err := standardwebhooks.NewWebhookRaw(d.one.sum[:])
	d.one.signer = signer
	return d, err
}

// judge compares a claim with every valid credential of its kind, and with as many decoys as it takes to hide how many
// those are. It never stops early.
func (d *decoys) judge(among []*account, c *claim) verdict {
	v := verdict{reason: reasonUnknown}
	now, atLeast := time.Now(), c.compared+minCompared
	if c.of.organization != "" {
		among = named(among, c.webhook, now)
	}
	for _, a := range among {
		v.reason = reasonWrong
		for i := range a.credentials {
			one := &a.credentials[i]
			if one.Kind != c.kind || !one.ValidAt(now) {
				continue
			}
			if c.matches(one) && (v.credential == nil || !v.credential.RotatedAt.IsZero() && v.account == a) {
				v.account, v.credential = a, one
			}
		}
	}
	for c.compared < atLeast {
		c.matches(&d.one)
	}
	switch {
	case c.missing:
		v.reason = reasonMissing
	case v.credential == nil:
	case c.organization != "" && v.account.OrganizationID != "" && c.organization != v.account.OrganizationID:
		v.reason = reasonOrganization
	default:
		v.reason = ""
	}
	return v
}

// matches takes the same time whether it does or not.
func (c *claim) matches(one *credential) bool {
	c.compared++
	if c.kind == store.SigningSecret {
		return verify(one.signer, c.body, c.header)
	}
	return subtle.ConstantTimeCompare(c.sum[:], one.sum[:]) == 1
}
