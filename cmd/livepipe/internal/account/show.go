package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
)

type listCmd struct {
	settings.ProcessConfig
}

// Help teaches.
func (listCmd) Help() string {
	return "TOKENS, SECRETS and SIGNING are how many credentials of the kind count now, old ones in their overlap included."
}

// Run lists the accounts.
func (c *listCmd) Run(ctx context.Context, std settings.Streams) error {
	return c.WithStore(ctx, func(db settings.OpenStore) error {
		accounts, err := db.Accounts(ctx)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		now := time.Now()
		table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ORG\tLIVECHAT\tORGANIZATION\tTOKENS\tSECRETS\tSIGNING\tSINCE")
		for _, a := range accounts {
			n := map[store.CredentialKind]int{}
			for _, c := range a.Credentials {
				if c.ValidAt(now) {
					n[c.Kind]++
				}
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", Shown(a.Org), Shown(a.LiveChat), Shown(a.OrganizationID),
				n[store.BearerToken], n[store.LiveChatKey], n[store.SigningSecret], when(a.CreatedAt))
		}
		return table.Flush()
	})
}

type showCmd struct {
	TenantFlags
	settings.ProcessConfig
}

// Help teaches.
func (showCmd) Help() string {
	return `STATE is "counts"; "old" while a newer one of its name has taken its place and its overlap lasts; "ended"; or why a
secret cannot be read on this machine, which matters where ingress runs.`
}

// Run shows the account.
func (c *showCmd) Run(ctx context.Context, std settings.Streams) error {
	return c.WithStore(ctx, func(db settings.OpenStore) error {
		a, err := c.Account(ctx, db)
		if err != nil {
			return err
		}
		printAccount(std.Out, a)
		if len(a.Credentials) == 0 {
			fmt.Fprintln(std.Out, "\nNo credential: nobody can call for this account (livepipe account add).")
			return nil
		}
		return c.printCredentials(std.Out, a)
	})
}

func printAccount(out io.Writer, a store.Account) {
	line := func(name, value string) { fmt.Fprintf(out, "%-20s %s\n", name, value) }
	limit := func(name string, value float64, unit, otherwise string) {
		if value != 0 {
			otherwise = strconv.FormatFloat(value, 'f', -1, 64) + unit
		}
		line(name, otherwise)
	}
	line("org", Shown(a.Org))
	line("livechat", Shown(a.LiveChat))
	if a.OrganizationID == "" {
		line("organization", "not known yet: learned from LiveChat's first body, or set by account add --organization-id")
	} else {
		line("organization", Shown(a.OrganizationID))
	}
	line("webhooks", "https://YOUR-HOST"+WebhookPath(a.Tenant))
	line("since", when(a.CreatedAt))
	limit("requests per second", a.Limits.RequestsPerSecond, "", "no limit of its own")
	limit("largest body", float64(a.Limits.BodyBytes), " bytes", "as the process")
	limit("largest upload", float64(a.Limits.UploadBytes), " bytes", "as the process")
	if a.Limits.Origins == nil {
		line("origins", "as the process")
	} else {
		line("origins", strings.Join(a.Limits.Origins, " "))
	}
	limit("messages are kept", float64(a.Limits.RetentionDays), " days", "forever")
}

func (c *showCmd) printCredentials(out io.Writer, a store.Account) error {
	trouble := c.reader()
	now := time.Now()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nID\tKIND\tNAME\tWEBHOOK\tADDED\tROTATED\tEXPIRES\tSTATE")
	for _, one := range a.Credentials {
		state := "counts"
		switch why := trouble(a, one); {
		case !one.ValidAt(now):
			state = "ended"
		case why != "":
			state = why
		case !one.RotatedAt.IsZero():
			state = "old"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", Shown(one.ID), one.Kind, Shown(one.Name), Shown(one.WebhookID),
			when(one.AddedAt), when(one.RotatedAt), when(one.ExpiresAt), state)
	}
	return table.Flush()
}

// reader tells why a secret cannot be read here, or "". To look makes no key.
func (c *showCmd) reader() func(store.Account, store.Credential) string {
	var key *secrets.Key
	_, err := os.Stat(c.SecretKeyPath())
	if err == nil {
		key, err = c.SecretKey()
	}
	return func(a store.Account, one store.Credential) string {
		if one.Sealed == nil {
			return ""
		}
		if err != nil {
			return "no key here"
		}
		switch _, err := key.Open(a.Tenant, one); {
		case errors.Is(err, secrets.ErrOtherKey):
			return "sealed with another key"
		case err != nil:
			return "damaged"
		}
		return ""
	}
}
