package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// accountCmd groups what operators do with accounts.
type accountCmd struct {
	Add    accountAddCmd    `cmd:"" help:"Make an account, give it one more credential, or set its limits."`
	List   accountListCmd   `cmd:"" help:"List the accounts."`
	Show   accountShowCmd   `cmd:"" help:"Show one account: its limits and its credentials, never a secret."`
	Rotate accountRotateCmd `cmd:"" help:"Put a new credential in the place of an old one, which counts for a while longer."`
	Remove accountRemoveCmd `cmd:"" help:"Remove one credential, or an account and all of its credentials."`
	Import accountImportCmd `cmd:"" help:"Make or complete many accounts from a file of JSON."`
}

// tenantFlags name one account.
type tenantFlags struct {
	Org      string `required:"" help:"Organisation id: the first part of the identifier."`
	LiveChat string `required:"" name:"livechat" help:"LiveChat integration id: the third part of the identifier."`
}

func (f tenantFlags) tenant() (messages.Tenant, error) {
	if !isIdentifierPart(f.Org) || !isIdentifierPart(f.LiveChat) {
		return messages.Tenant{}, errors.New("--org and --livechat must not be empty or hold a colon or a control character: they are parts of orgId:userId:livechat-id")
	}
	return messages.Tenant{Org: f.Org, LiveChat: f.LiveChat}, nil
}

func isIdentifierPart(s string) bool {
	return s != "" && !strings.Contains(s, ":") && !strings.ContainsFunc(s, isNoText)
}

// isNoText tells what has no place in a name: control characters, and bytes that are no UTF-8.
func isNoText(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }

// account reads the account that the flags name.
func (f tenantFlags) account(ctx context.Context, db openStore) (store.Account, error) {
	tenant, err := f.tenant()
	if err != nil {
		return store.Account{}, err
	}
	account, err := db.Account(ctx, tenant)
	if errors.Is(err, store.ErrUnknownAccount) {
		return account, f.unknown()
	}
	return account, err
}

func (f tenantFlags) unknown() error {
	return fmt.Errorf("no account of org %q and livechat %q (see livepipe account list)", f.Org, f.LiveChat)
}

// shown is how a name of anybody's choice is printed: nothing of it moves the cursor.
func shown(s string) string {
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
