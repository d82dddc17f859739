package postgres

import (
	"context"
	"fmt"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	// saveAccount locks an account that is there already, so that nobody removes it before its credentials are in.
	saveAccount = `
		INSERT INTO accounts AS a (org, livechat, created_us, organization_id, limits) VALUES ($1, $2, $3, nullif($4, ''), $5)
		ON CONFLICT (org, livechat) DO UPDATE SET
			organization_id = coalesce(excluded.organization_id, a.organization_id), limits = excluded.limits`

	saveCredential = `
		INSERT INTO account_credentials (org, livechat, ` + store.CredentialColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (org, livechat, id) DO UPDATE SET
			webhook_id = excluded.webhook_id, rotated_us = excluded.rotated_us, expires_us = excluded.expires_us`

	noteEver          = `UPDATE store_facts SET account_ever = true WHERE "only" = 1`
	removeAccount     = `DELETE FROM accounts WHERE org = $1 AND livechat = $2`
	removeCredential  = `DELETE FROM account_credentials WHERE org = $1 AND livechat = $2 AND id = $3`
	anyEver           = `SELECT account_ever FROM store_facts WHERE "only" = 1`
	learnOrganization = `UPDATE accounts SET organization_id = coalesce(organization_id, nullif($3, ''))
		WHERE org = $1 AND livechat = $2 RETURNING coalesce(organization_id, '')`

	listAccounts = `SELECT ` + store.AccountColumns + `
		FROM accounts a LEFT JOIN account_credentials c ON c.org = a.org AND c.livechat = a.livechat`
	accountOrder = ` ORDER BY ` + store.AccountOrder

	allAccounts = listAccounts + accountOrder
	oneAccount  = listAccounts + ` WHERE a.org = $1 AND a.livechat = $2` + accountOrder
	accountsOf  = listAccounts + ` WHERE a.organization_id = $1` + accountOrder
)

// SaveAccount makes an account, or sets the limits and credentials of one that is there: each credential of a is added,
// or gets a's webhook id and times. What a does not list stays, and so does an organization id that a leaves empty.
func (s *Store) SaveAccount(ctx context.Context, a store.Account) error {
	limits, err := store.LimitsText(a.Limits)
	if err != nil {
		return fmt.Errorf("save account: %w", err)
	}
	return s.write(ctx, "save account", func(c *call) {
		c.exec(saveAccount, a.Org, a.LiveChat, a.CreatedAt.UnixMicro(), a.OrganizationID, limits)
		for _, credential := range a.Credentials {
			c.exec(saveCredential, append([]any{a.Org, a.LiveChat}, store.CredentialValues(credential)...)...)
		}
		c.exec(noteEver)
	})
}

// RemoveAccount forgets an account and its credentials; its messages stay. store.ErrUnknownAccount when there is none.
func (s *Store) RemoveAccount(ctx context.Context, of messages.Tenant) error {
	return s.remove(ctx, "remove account", store.ErrUnknownAccount, removeAccount, of.Org, of.LiveChat)
}

// RemoveCredential forgets one credential. store.ErrUnknownCredential when there is none.
func (s *Store) RemoveCredential(ctx context.Context, of messages.Tenant, id string) error {
	return s.remove(ctx, "remove credential", store.ErrUnknownCredential, removeCredential, of.Org, of.LiveChat, id)
}

func (s *Store) remove(ctx context.Context, doing string, unknown error, statement string, args ...any) error {
	var removed int64
	err := s.write(ctx, doing, func(c *call) { c.count(&removed, statement, args...) })
	if err == nil && removed == 0 {
		err = fmt.Errorf("%s: %w", doing, unknown)
	}
	return err
}

// LearnOrganization notes LiveChat's id of the account's organisation, unless the account knows one already, and returns
// the one that holds. store.ErrUnknownAccount when there is no account.
func (s *Store) LearnOrganization(ctx context.Context, of messages.Tenant, organizationID string) (holds string, err error) {
	const doing = "learn organization"
	var found bool
	err = s.write(ctx, doing, func(c *call) {
		holds, found = "", false
		c.each(learnOrganization, []any{of.Org, of.LiveChat, organizationID}, func(scan func(...any) error) error {
			found = true
			return scan(&holds)
		})
	})
	return known(holds, found, doing, err, store.ErrUnknownAccount)
}

// Account returns the tenant's account, or store.ErrUnknownAccount.
func (s *Store) Account(ctx context.Context, of messages.Tenant) (store.Account, error) {
	one, err := s.accounts(ctx, "read account", oneAccount, of.Org, of.LiveChat)
	if err != nil || len(one) == 0 {
		return known(store.Account{}, false, "read account", err, store.ErrUnknownAccount)
	}
	return one[0], nil
}

// Accounts returns every account, ordered by organisation and livechat id; credentials in the order they were added.
func (s *Store) Accounts(ctx context.Context) ([]store.Account, error) {
	return s.accounts(ctx, "list accounts", allAccounts)
}

// AccountsOf returns the accounts of one of LiveChat's organisations, in the order of Accounts; none is no error.
func (s *Store) AccountsOf(ctx context.Context, organizationID string) ([]store.Account, error) {
	return s.accounts(ctx, "list accounts of organization", accountsOf, organizationID)
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
