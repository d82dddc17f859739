package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// accountCmd groups what operators do with accounts.
type accountCmd struct {
	Add    accountAddCmd    `cmd:"" help:"Make an account, or one more token for it, and print the bearer token once."`
	List   accountListCmd   `cmd:"" help:"List the accounts."`
	Remove accountRemoveCmd `cmd:"" help:"Remove an account and all of its tokens."`
}

// tenantFlags name one account.
type tenantFlags struct {
	Org      string `required:"" help:"Organisation id: the first part of the identifier."`
	LiveChat string `required:"" name:"livechat" help:"LiveChat integration id: the third part of the identifier."`
}

func (f tenantFlags) tenant() (messages.Tenant, error) {
	for _, part := range []string{f.Org, f.LiveChat} {
		if part == "" || strings.Contains(part, ":") {
			return messages.Tenant{}, errors.New("--org and --livechat must not be empty or hold a colon: they are parts of orgId:userId:livechat-id")
		}
	}
	return messages.Tenant{Org: f.Org, LiveChat: f.LiveChat}, nil
}

type accountAddCmd struct {
	processConfig
	tenantFlags
}

// Run makes the account. The store keeps a SHA-256 only: the token cannot be shown again.
func (c *accountAddCmd) Run(ctx context.Context, std streams) error {
	tenant, err := c.tenant()
	if err != nil {
		return err
	}
	return c.withStore(ctx, func(db openStore) error {
		token := newToken()
		account := store.Account{Tenant: tenant, CreatedAt: time.Now(), Credentials: []store.Credential{{
			ID: newCredentialID(), Kind: store.BearerToken, Name: "default", SHA256: sha256.Sum256([]byte(token)), AddedAt: time.Now(),
		}}}
		if err := db.SaveAccount(ctx, account); err != nil {
			return fmt.Errorf("add account: %w", err)
		}
		fmt.Fprintln(std.out, token)
		fmt.Fprintln(std.err, "Send it as `Authorization: Bearer TOKEN`. It is not kept and not shown again.")
		return nil
	})
}

// newToken makes a bearer token of 160 random bits behind a prefix that secret scanners can be taught.
func newToken() string {
	var b [20]byte
	rand.Read(b[:])
	return "lp_" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// newCredentialID makes the id of a credential: 80 random bits name it within its account.
func newCredentialID() string {
	var b [10]byte
	rand.Read(b[:])
	return "cred_" + hex.EncodeToString(b[:])
}

type accountListCmd struct {
	processConfig
}

// Run lists the accounts.
func (c *accountListCmd) Run(ctx context.Context, std streams) error {
	return c.withStore(ctx, func(db openStore) error {
		accounts, err := db.Accounts(ctx)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ORG\tLIVECHAT\tTOKENS\tSINCE")
		for _, a := range accounts {
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", a.Org, a.LiveChat, len(a.Credentials), a.CreatedAt.UTC().Format(time.RFC3339))
		}
		return table.Flush()
	})
}

type accountRemoveCmd struct {
	processConfig
	tenantFlags
}

// Run removes the account.
func (c *accountRemoveCmd) Run(ctx context.Context, std streams) error {
	tenant, err := c.tenant()
	if err != nil {
		return err
	}
	return c.withStore(ctx, func(db openStore) error {
		switch err := db.RemoveAccount(ctx, tenant); {
		case errors.Is(err, store.ErrUnknownAccount):
			return fmt.Errorf("no account of org %q and livechat %q (see livepipe account list)", c.Org, c.LiveChat)
		case err != nil:
			return fmt.Errorf("remove account: %w", err)
		}
		fmt.Fprintln(std.out, "removed")
		return nil
	})
}
