package ingress

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// Accounts knows which tenants may call.
type Accounts interface {
	// Account returns the tenant's account or store.ErrUnknownAccount.
	Account(ctx context.Context, tenant messages.Tenant) (store.Account, error)
	// AccountsOf returns the accounts of one of the provider's organizations; none is no error.
	AccountsOf(ctx context.Context, organizationID string) ([]store.Account, error)
	// LearnOrganization notes the provider's id of an account's organization, unless the account knows one already, and
	// returns the one that holds. store.ErrUnknownAccount when there is no account.
	LearnOrganization(ctx context.Context, of messages.Tenant, organizationID string) (holds string, err error)
	// AnyAccountEver reports whether an account was ever made, also if it is gone by now.
	AnyAccountEver(ctx context.Context) (bool, error)
}

// account is an account that is ready to be compared with.
type account struct {
	store.Account
	credentials []credential
	cors        *cors // nil: the process's
}

// credential is one that can be compared with. There is no secret in it but the key of a signature.
type credential struct {
	store.Credential
	sum    [sha256.Size]byte         // of a token or a provider's secret
	signer *standardwebhooks.Webhook // of a signing secret
}

// opener makes accounts ready.
type opener struct {
	key    *secrets.Key
	log    *slog.Logger
	warned *lru.Cache[string, struct{}] // ids of credentials that were warned of
}

func newOpener(key *secrets.Key, log *slog.Logger) (*opener, error) {
	warned, err := lru.New[string, struct{}](1024)
	return &opener{key, log, warned}, err
}

// open unseals the credentials of an account. One that cannot be opened is logged once and never used; the rest go on.
func (o *opener) open(a store.Account) *account {
	ready := &account{Account: a}
	if len(a.Limits.Origins) > 0 {
		ready.cors = newCORS(a.Limits.Origins)
	}
	for _, c := range a.Credentials {
		opened, err := o.unseal(a.Tenant, c)
		if err == nil {
			ready.credentials = append(ready.credentials, opened)
			continue
		}
		if known, _ := o.warned.ContainsOrAdd(c.ID, struct{}{}); !known {
			o.log.Warn("a credential cannot be used", "credential", c.ID, "kind", string(c.Kind), "error", err)
		}
	}
	return ready
}

func (o *opener) unseal(of messages.Tenant, c store.Credential) (credential, error) {
	ready := credential{Credential: c, sum: c.SHA256}
	if c.Kind == store.BearerToken {
		return ready, nil
	}
	plain, err := o.key.Open(of, c)
	if err != nil {
		return ready, err
	}
	ready.sum = sha256.Sum256([]byte(plain))
	if c.Kind == store.SigningSecret {
		ready.signer, err = newSigner(plain)
	}
	return ready, err
}

// named narrows the accounts of an organization to those with a key for the registration that sent the body, where any
// has one: the accounts of one organization may have the same secret.
func named(all []*account, webhook string, now time.Time) []*account {
	if len(all) < 2 || webhook == "" {
		return all
	}
	var some []*account
	for _, a := range all {
		for _, c := range a.credentials {
			if c.Kind == store.LiveChatKey && c.WebhookID == webhook && c.ValidAt(now) {
				some = append(some, a)
				break
			}
		}
	}
	if len(some) == 0 {
		return all
	}
	return some
}
