package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	// addAccount locks an account that is there already, so that nobody removes it before its new token is in.
	addAccount = `
		INSERT INTO accounts AS a (org, livechat, created_us) VALUES ($1, $2, $3)
		ON CONFLICT (org, livechat) DO UPDATE SET created_us = a.created_us`
	addToken      = `INSERT INTO account_tokens (org, livechat, sha256, added_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	noteEver      = `UPDATE store_facts SET account_ever = true WHERE "only" = 1`
	removeAccount = `DELETE FROM accounts WHERE org = $1 AND livechat = $2`
	anyEver       = `SELECT account_ever FROM store_facts WHERE "only" = 1`

	allAccounts = `
		SELECT ` + store.AccountColumns + `
		FROM accounts a JOIN account_tokens t ON t.org = a.org AND t.livechat = a.livechat
		ORDER BY ` + store.AccountOrder
	oneAccount = `
		SELECT ` + store.AccountColumns + `
		FROM accounts a JOIN account_tokens t ON t.org = a.org AND t.livechat = a.livechat
		WHERE a.org = $1 AND a.livechat = $2
		ORDER BY ` + store.AccountOrder
)

// AddAccount makes an account with one token, or gives an existing account one more. A token that the account has
// already changes nothing.
func (s *Store) AddAccount(ctx context.Context, of messages.Tenant, tokenSHA256 [32]byte, at time.Time) error {
	return s.write(ctx, "add account", func(c *call) {
		c.exec(addAccount, of.Org, of.LiveChat, at.UnixMicro())
		c.exec(addToken, of.Org, of.LiveChat, tokenSHA256[:], at.UnixMicro())
		c.exec(noteEver)
	})
}

// RemoveAccount forgets an account and its tokens; its messages stay. store.ErrUnknownAccount when there is none.
func (s *Store) RemoveAccount(ctx context.Context, of messages.Tenant) error {
	var removed int64
	err := s.write(ctx, "remove account", func(c *call) { c.count(&removed, removeAccount, of.Org, of.LiveChat) })
	if err == nil && removed == 0 {
		err = fmt.Errorf("remove account: %w", store.ErrUnknownAccount)
	}
	return err
}

// Account returns the tenant's account, or store.ErrUnknownAccount.
func (s *Store) Account(ctx context.Context, of messages.Tenant) (store.Account, error) {
	one, err := s.accounts(ctx, "read account", oneAccount, of.Org, of.LiveChat)
	if err != nil || len(one) == 0 {
		return known(store.Account{}, false, "read account", err, store.ErrUnknownAccount)
	}
	return one[0], nil
}

// Accounts returns every account, ordered by organisation and livechat id; tokens in the order they were added.
func (s *Store) Accounts(ctx context.Context) ([]store.Account, error) {
	return s.accounts(ctx, "list accounts", allAccounts)
}

// AnyAccountEver reports whether an account was ever made; removing it does not undo that.
func (s *Store) AnyAccountEver(ctx context.Context) (ever bool, err error) {
	err = s.read(ctx, "look for accounts", func(c *call) { c.each(anyEver, nil, into(&ever)) })
	return err == nil && ever, err
}

func (s *Store) accounts(ctx context.Context, doing, query string, args ...any) (all []store.Account, err error) {
	err = s.read(ctx, doing, func(c *call) {
		all = nil
		c.each(query, args, func(scan func(...any) error) (err error) {
			all, err = store.ScanAccount(scan, all)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
