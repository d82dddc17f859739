package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/store"
)

type rotateCmd struct {
	TenantFlags
	Kind    string        `default:"token" enum:"token,secret,signing" help:"What to rotate: a bearer token, a secret_key of LiveChat, or a signing secret."`
	Name    string        `default:"default" help:"Its name."`
	Overlap time.Duration `default:"24h" help:"How long the old one still counts; 0: it ends at once."`
	rotateFiles
	settings.ProcessConfig
}

type rotateFiles struct {
	SecretFile  string `name:"secret-key-file" placeholder:"FILE" help:"The new secret_key, read from FILE (- is the standard input). Needed with --kind=secret."`
	WebhookID   string `name:"webhook-id" placeholder:"ID" help:"LiveChat's id of the new webhook: LiveChat changes a secret_key by registering the webhook anew."`
	SigningFile string `placeholder:"FILE" help:"With --kind=signing: take the new secret from FILE (- is the standard input) instead of making one."`
}

// Help teaches.
func (rotateCmd) Help() string {
	return `Adds a new credential of the same kind and name. Every older one of that kind and name ends after --overlap, or when it
would have ended anyway, whichever is sooner. Both count until then, so senders can change over without a refused call.
After a leak use --overlap=0. Running processes follow within 30 seconds. The secrets of livepipe livechat register have the
names of their actions and are rotated by livepipe livechat rotate.

  livepipe account rotate --org=org123 --livechat=lc-789
  livepipe account rotate --org=org123 --livechat=lc-789 --kind=secret --secret-key-file=- --overlap=1h < new-secret.txt
  livepipe account rotate --org=org123 --livechat=lc-789 --kind=signing --name=billing --overlap=0`
}

// Run replaces.
func (c *rotateCmd) Run(ctx context.Context, std settings.Streams) error {
	kind, err := c.check()
	if err != nil {
		return err
	}
	return c.WithStore(ctx, func(db settings.OpenStore) error {
		account, err := c.Account(ctx, db)
		if err != nil {
			return err
		}
		old := named(account, kind, c.Name, time.Now())
		if len(old) == 0 {
			return nothingNamed(account, kind, c.Name)
		}
		p, once, err := credentialFlags{SecretFile: c.SecretFile, WebhookID: c.WebhookID, SigningFile: c.SigningFile}.obtain(kind, c.Name)
		if err != nil {
			return err
		}
		accounts, err := db.Accounts(ctx)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		ends := retire(old, time.Now(), c.Overlap)
		added, err := save(ctx, c.ProcessConfig, std, db, accounts, account, p, old...)
		if err != nil {
			return fmt.Errorf("rotate %s: %w", word(kind), err)
		}
		tell(std, added, once)
		c.tellOld(std, old, ends)
		return nil
	})
}

// nothingNamed is the error about a name that no credential has. It tells the names that there are: register gives each of
// its secrets the name of an action, and those have a command of their own.
func nothingNamed(a store.Account, kind store.CredentialKind, name string) error {
	var names []string
	for _, c := range a.Credentials {
		if c.Kind == kind && c.ValidAt(time.Now()) && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	says := fmt.Sprintf("the account has no %s named %q that counts (see livepipe account show)", word(kind), name)
	if names != nil {
		says += ", but " + strings.Join(names, ", ")
	}
	if kind == store.LiveChatKey {
		says += "; " + rotateRegistered
	}
	return errors.New(says)
}

const rotateRegistered = "what livepipe livechat register made is rotated by livepipe livechat rotate"

func (c *rotateCmd) check() (store.CredentialKind, error) {
	kind := store.CredentialKind(c.Kind)
	switch {
	case c.Overlap < 0:
		return "", errors.New("--overlap must not be negative")
	case kind == store.LiveChatKey && c.SecretFile == "":
		return "", errors.New("--kind=secret needs --secret-key-file: LiveChat's secret_key is chosen where its webhook is registered; " + rotateRegistered)
	case kind != store.LiveChatKey && (c.SecretFile != "" || c.WebhookID != ""):
		return "", errors.New("--secret-key-file and --webhook-id belong to --kind=secret")
	case kind != store.SigningSecret && c.SigningFile != "":
		return "", errors.New("--signing-file belongs to --kind=signing")
	}
	return kind, nil
}

// retire sets when credentials that count now end: after the overlap, or earlier if they would have. It returns the
// latest end.
func retire(old []store.Credential, now time.Time, overlap time.Duration) (latest time.Time) {
	for i := range old {
		if old[i].RotatedAt.IsZero() {
			old[i].RotatedAt = now
		}
		if end := now.Add(overlap); old[i].ValidAt(end) {
			old[i].ExpiresAt = end
		}
		if old[i].ExpiresAt.After(latest) {
			latest = old[i].ExpiresAt
		}
	}
	return latest
}

func (c *rotateCmd) tellOld(std settings.Streams, old []store.Credential, ends time.Time) {
	what := number(len(old), "old "+word(old[0].Kind))
	if c.Overlap == 0 {
		fmt.Fprintf(std.Err, "%s named %q ended now; running processes follow within 30 seconds.\n", what, c.Name)
		return
	}
	fmt.Fprintf(std.Err, "%s named %q still counts until %s.\n", what, c.Name, when(ends))
}
