package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

type addCmd struct {
	TenantFlags
	OrganizationID string `name:"organization-id" placeholder:"UUID" help:"LiveChat's own id of the organisation; else it is learned from the first body whose secret matches."`
	Name           string `help:"What to call the credential (default: default, default-2, ...)."`
	credentialFlags
	limitFlags
	settings.ProcessConfig
}

// Help teaches.
func (addCmd) Help() string {
	return `Each call adds one credential: a bearer token, unless another kind is asked for. A second call for the same account
adds a second one. When the account exists and only --organization-id or limits are given, they are set and no credential
is made. Tokens and signing secrets are printed once, alone on the standard output; the store cannot show them again.

  livepipe account add --org=org123 --livechat=lc-789
  livepipe account add --org=org123 --livechat=lc-789 --secret-key-file=- --webhook-id=5f0c... < secret.txt
  livepipe account add --org=org123 --livechat=lc-789 --signing --name=billing
  livepipe account add --org=org123 --livechat=lc-789 --requests-per-second=50 --retention-days=90`
}

// Run makes the account, or adds to it.
func (c *addCmd) Run(ctx context.Context, std settings.Streams) error {
	tenant, err := c.Tenant()
	if err != nil {
		return err
	}
	kind, err := c.chosen()
	if err != nil {
		return err
	}
	if err := c.flagError(); err != nil {
		return err
	}
	if c.OrganizationID != "" && !isOrganizationID(c.OrganizationID) {
		return fmt.Errorf("--organization-id %w", errOrganizationID)
	}
	return c.WithFirstStore(ctx, std, func(db settings.OpenStore) error {
		accounts, err := db.Accounts(ctx)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		ever, err := db.AnyAccountEver(ctx)
		if err != nil {
			return fmt.Errorf("look for the first account: %w", err)
		}
		if err := c.add(ctx, std, db, accounts, tenant, kind); err != nil {
			return err
		}
		if _, there := find(accounts, tenant); !there {
			fmt.Fprintf(std.Err, "LiveChat's webhooks for this account go to https://YOUR-HOST%s\n", WebhookPath(tenant))
		}
		if !ever {
			fmt.Fprintln(std.Err, "It is the first account: from now on no call is let in without credentials, unless LIVEPIPE_ACCESS=open.")
		}
		return nil
	})
}

func (c *addCmd) add(ctx context.Context, std settings.Streams, db settings.OpenStore, accounts []store.Account, tenant messages.Tenant, kind store.CredentialKind) error {
	account, there := find(accounts, tenant)
	if !there {
		account = store.Account{Tenant: tenant, CreatedAt: time.Now()}
	}
	set := c.limitFlags.given() || c.OrganizationID != ""
	if c.OrganizationID != "" {
		account.OrganizationID = c.OrganizationID
	}
	c.limitFlags.set(&account.Limits)
	if kind == "" && there && set && c.Name == "" {
		account.Credentials = nil
		if err := db.SaveAccount(ctx, account); err != nil {
			return fmt.Errorf("set limits: %w", err)
		}
		fmt.Fprintln(std.Out, "set; no credential was added")
		return nil
	}
	if kind == "" {
		kind = store.BearerToken
	}
	name, err := c.freeName(account, kind)
	if err != nil {
		return err
	}
	p, once, err := c.obtain(kind, name)
	if err != nil {
		return err
	}
	added, err := save(ctx, c.ProcessConfig, std, db, accounts, account, p)
	if err != nil {
		return fmt.Errorf("add %s: %w", word(kind), err)
	}
	tell(std, added, once)
	return nil
}

// word is what a kind is called in a sentence.
func word(kind store.CredentialKind) string {
	switch kind {
	case store.LiveChatKey:
		return "secret_key"
	case store.SigningSecret:
		return "signing secret"
	}
	return string(kind)
}

func find(accounts []store.Account, of messages.Tenant) (store.Account, bool) {
	i := slices.IndexFunc(accounts, func(a store.Account) bool { return a.Tenant == of })
	if i < 0 {
		return store.Account{}, false
	}
	return accounts[i], true
}

// freeName is the name that was asked for, or the first of default, default-2, ... that no credential of the kind has:
// rotate finds a token or a signing secret by its name. One secret_key comes from many webhooks, all under one name.
func (c *addCmd) freeName(a store.Account, kind store.CredentialKind) (string, error) {
	taken := func(name string) bool {
		return kind != store.LiveChatKey && len(named(a, kind, name, time.Now())) > 0
	}
	if c.Name != "" {
		if taken(c.Name) {
			return "", fmt.Errorf("the account has a %s named %q: choose another --name, or use livepipe account rotate", word(kind), c.Name)
		}
		return c.Name, nil
	}
	name := defaultName
	for n := 2; taken(name); n++ {
		name = fmt.Sprint(defaultName, "-", n)
	}
	return name, nil
}

const defaultName = "default"

// save adds a new credential, and the changes of the account's other credentials that replaced lists.
func save(ctx context.Context, c settings.ProcessConfig, std settings.Streams, db settings.OpenStore, all []store.Account, a store.Account, n newCredential, replaced ...store.Credential) (store.Credential, error) {
	of := a
	if n.kind == store.BearerToken {
		of.Credentials = append(slices.Clone(replaced), n.credential(nil, a.Tenant, time.Now()))
	} else {
		key, err := SealingKey(c, std, all)
		if err != nil {
			return store.Credential{}, err
		}
		if held, ok := n.heldBy(key, a); ok {
			return store.Credential{}, fmt.Errorf("the account has it already, named %q (%s)", held.Name, held.ID)
		}
		of.Credentials = append(slices.Clone(replaced), n.credential(key, a.Tenant, time.Now()))
	}
	return of.Credentials[len(replaced)], db.SaveAccount(ctx, of)
}

// tell prints what was added: a new secret alone on the standard output, so that a script can take it from there.
func tell(std settings.Streams, c store.Credential, once string) {
	switch {
	case once == "":
		fmt.Fprintf(std.Out, "added %s %q (%s)\n", word(c.Kind), c.Name, c.ID)
		return
	case c.Kind == store.BearerToken:
		fmt.Fprintf(std.Err, "Token %q (%s): send it as `Authorization: Bearer TOKEN`. It is not kept and not shown again.\n", c.Name, c.ID)
	default:
		fmt.Fprintf(std.Err, "Signing secret %q (%s): for whoever signs per Standard Webhooks. It is not shown again.\n", c.Name, c.ID)
	}
	fmt.Fprintln(std.Out, once)
}
