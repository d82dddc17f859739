// Package account is `livepipe account`: making, showing, rotating, importing and removing accounts and their credentials.
package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// Command groups what operators do with accounts.
type Command struct {
	Add    addCmd    `cmd:"" help:"Make an account, give it one more credential, or set its limits."`
	List   listCmd   `cmd:"" help:"List the accounts."`
	Show   showCmd   `cmd:"" help:"Show one account: its limits and its credentials, never a secret."`
	Rotate rotateCmd `cmd:"" help:"Put a new credential in the place of an old one, which counts for a while longer."`
	Remove removeCmd `cmd:"" help:"Remove one credential, or an account and all of its credentials."`
	Import importCmd `cmd:"" help:"Make or complete many accounts from a file of JSON."`
}

// TenantFlags name one account.
type TenantFlags struct {
	Org      string `required:"" help:"Organisation id: the first part of the identifier."`
	LiveChat string `required:"" name:"livechat" help:"LiveChat integration id: the third part of the identifier."`
}

// Tenant is the tenant that the flags name.
func (f TenantFlags) Tenant() (messages.Tenant, error) {
	if !livechat.ValidPart(f.Org) || !livechat.ValidPart(f.LiveChat) {
		return messages.Tenant{}, fmt.Errorf("--org and --livechat are parts of orgId:userId:livechat-id: each %w", errPart)
	}
	return messages.Tenant{Org: f.Org, LiveChat: f.LiveChat}, nil
}

// WebhookPath is where LiveChat posts for an account. The user of an identifier decides nothing.
func WebhookPath(of messages.Tenant) string {
	return livechat.WebhookPath(channels.Identity{Tenant: of, User: "livechat"})
}

var errPart = errors.New("must be 1 to 256 bytes of UTF-8 without a colon or a control character")

// isNoText tells what has no place in a secret: control characters, and bytes that are no UTF-8.
func isNoText(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }

// Account reads the account that the flags name.
func (f TenantFlags) Account(ctx context.Context, db settings.OpenStore) (store.Account, error) {
	tenant, err := f.Tenant()
	if err != nil {
		return store.Account{}, err
	}
	account, err := db.Account(ctx, tenant)
	if errors.Is(err, store.ErrUnknownAccount) {
		return account, f.unknown()
	}
	return account, err
}

func (f TenantFlags) unknown() error {
	return fmt.Errorf("no account of org %q and livechat %q (see livepipe account list)", f.Org, f.LiveChat)
}

// Shown is how a name of anybody's choice is printed: nothing of it moves the cursor.
func Shown(s string) string {
	switch {
	case s == "":
		return "-"
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return strconv.Quote(s)
	}
	return s
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// number is a count with its word.
func number(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprint(n, " ", word)
}
