package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

type importCmd struct {
	File   string `arg:"" help:"File of accounts; - is the standard input."`
	DryRun bool   `help:"Check everything, say what would change, and write nothing to the store."`
	settings.ProcessConfig
}

// Help teaches.
func (importCmd) Help() string {
	return `FILE holds one JSON object after the other (JSON lines), or one array of them:

  {"org": "org123", "livechat": "lc-789",
   "organization_id": "0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11",
   "tokens": [{"name": "default", "token": "..."}, {"name": "ci", "sha256": "..."}],
   "secret_keys": [{"name": "default", "webhook_id": "5f0c...", "secret": "..."}],
   "signing_secrets": [{"name": "default", "secret": "whsec_..."}],
   "limits": {"requests_per_second": 50, "max_body": 65536, "max_upload": 1048576,
              "origins": ["https://app.example.com"], "retention_days": 90}}

Only org and livechat must be there; a name is "default" unless given. The whole file is checked first, and every fault is
named by line and field. Then each account is written at once or not at all. Credentials and limits are added to accounts
that exist, nothing is taken away, and what an account has already is not added again, ended ones included: the same file
may be imported twice, and an import that was cut off is ended by running it again.`
}

// maxImport bounds the memory of an import: some 200,000 accounts with three credentials each.
const maxImport = 128 << 20

// Run imports.
func (c *importCmd) Run(ctx context.Context, std settings.Streams) error {
	text, err := c.read()
	if err != nil {
		return err
	}
	records, found := readRecords(text)
	if err := found.report(std); err != nil {
		return err
	}
	if len(records) == 0 {
		return errors.New("the file holds no account")
	}
	return c.with(ctx, std, func(db settings.OpenStore) error {
		accounts, err := db.Accounts(ctx)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		p := plan{at: time.Now(), accounts: make(map[messages.Tenant]store.Account, len(accounts))}
		for _, a := range accounts {
			p.accounts[a.Tenant] = a
		}
		if p.key, err = c.keyFor(std, records, accounts); err != nil {
			return err
		}
		for _, r := range records {
			p.add(r)
		}
		if err := p.found.report(std); err != nil {
			return err
		}
		return c.apply(ctx, std, db, p.changes)
	})
}

// with opens the store. Only an import that writes may make one.
func (c *importCmd) with(ctx context.Context, std settings.Streams, use func(settings.OpenStore) error) error {
	if c.DryRun {
		return c.WithStore(ctx, use)
	}
	return c.WithFirstStore(ctx, std, use)
}

func (c *importCmd) read() ([]byte, error) {
	from := io.Reader(os.Stdin)
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("read accounts: %w", err)
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxImport+1))
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	if len(text) > maxImport {
		return nil, fmt.Errorf("the file has more than %d MiB: import it in parts", maxImport>>20)
	}
	return text, nil
}

// report prints the faults and returns the one line that ends the command.
func (f faults) report(std settings.Streams) error {
	const most = 50
	for i, line := range f {
		if i == most {
			fmt.Fprintf(std.Err, "and %d more\n", len(f)-most)
			break
		}
		fmt.Fprintln(std.Err, line)
	}
	if len(f) > 0 {
		return fmt.Errorf("%s in the file: nothing was imported", number(len(f), "fault"))
	}
	return nil
}

// keyFor is the key when the file has anything to seal or to compare with what is sealed.
func (c *importCmd) keyFor(std settings.Streams, records []*accountRecord, accounts []store.Account) (*secrets.Key, error) {
	for _, r := range records {
		if len(r.SecretKeys)+len(r.SigningSecrets) > 0 {
			return SealingKey(c.ProcessConfig, std, accounts)
		}
	}
	return nil, nil
}

// plan is what an import will do.
type plan struct {
	at       time.Time
	key      *secrets.Key
	accounts map[messages.Tenant]store.Account
	changes  []change
	found    faults
}

// change is what becomes of one account.
type change struct {
	account store.Account // with its new credentials only
	made    bool          // the account is new
	set     bool          // its limits or organization id are
	kept    int           // credentials that it has already
}

func (c change) needed() bool { return c.made || c.set || len(c.account.Credentials) > 0 }

// add compares one record with the store.
func (p *plan) add(r *accountRecord) {
	there, ok := p.accounts[r.tenant()]
	c := change{account: there, made: !ok}
	c.account.Credentials = nil
	if c.made {
		c.account = store.Account{Tenant: r.tenant(), CreatedAt: p.at}
	}
	if id := r.OrganizationID; id != "" && id != there.OrganizationID {
		if there.OrganizationID != "" {
			p.found.add(r.line, "organization_id", "differs from the one that the account knows (livepipe account show; account add --organization-id changes it)")
		}
		c.account.OrganizationID, c.set = id, true
	}
	if r.Limits.set(&c.account.Limits) {
		c.set = true
	}
	for _, one := range r.credentials {
		if _, held := one.heldBy(p.key, there); held {
			c.kept++
			continue
		}
		if one.kind != store.LiveChatKey && len(named(there, one.kind, one.name, p.at)) > 0 {
			p.found.add(r.line, one.field+".name", "is the name of another credential of the account: choose another, or use livepipe account rotate")
		}
		c.account.Credentials = append(c.account.Credentials, one.credential(p.key, r.tenant(), p.at))
	}
	p.changes = append(p.changes, c)
}

// apply writes the changes, and prints how far it is and what it has done.
func (c *importCmd) apply(ctx context.Context, std settings.Streams, db settings.OpenStore, changes []change) error {
	const step = 500
	var made, changed, added, kept int
	for i, one := range changes {
		if one.needed() && !c.DryRun {
			if err := db.SaveAccount(ctx, one.account); err != nil {
				fmt.Fprintf(std.Err, "%d of %d accounts are done: import the file again to go on\n", i, len(changes))
				return fmt.Errorf("import account: %w", err)
			}
		}
		kept += one.kept
		added += len(one.account.Credentials)
		switch {
		case one.made:
			made++
		case one.needed():
			changed++
		}
		if (i+1)%step == 0 && !c.DryRun {
			fmt.Fprintf(std.Err, "%d of %d accounts\n", i+1, len(changes))
		}
	}
	if c.DryRun {
		fmt.Fprint(std.Out, "nothing was changed; an import would tell: ")
	}
	fmt.Fprintf(std.Out, "accounts: %d made, %d changed, %d as they were; credentials: %d added, %d there already\n",
		made, changed, len(changes)-made-changed, added, kept)
	return nil
}
