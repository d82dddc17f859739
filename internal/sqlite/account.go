package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	saveAccount = `
		INSERT INTO accounts (org, livechat, created_us, organization_id, limits) VALUES (?, ?, ?, nullif(?, ''), ?)
		ON CONFLICT (org, livechat) DO UPDATE SET
			organization_id = coalesce(excluded.organization_id, organization_id), limits = excluded.limits`

	saveCredential = `
		INSERT INTO account_credentials (org, livechat, ` + store.CredentialColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (org, livechat, id) DO UPDATE SET
			webhook_id = excluded.webhook_id, rotated_us = excluded.rotated_us, expires_us = excluded.expires_us`

	noteEver          = `UPDATE store_facts SET account_ever = 1 WHERE only = 1`
	removeAccount     = `DELETE FROM accounts WHERE org = ? AND livechat = ?`
	removeCredential  = `DELETE FROM account_credentials WHERE org = ? AND livechat = ? AND id = ?`
	learnOrganization = `UPDATE accounts SET organization_id = nullif(?, '') WHERE org = ? AND livechat = ? AND organization_id IS NULL`
	readOrganization  = `SELECT coalesce(organization_id, '') FROM accounts WHERE org = ? AND livechat = ?`

	listAccounts = `SELECT ` + store.AccountColumns + `
		FROM accounts a LEFT JOIN account_credentials c ON c.org = a.org AND c.livechat = a.livechat`
	accountOrder = ` ORDER BY ` + store.AccountOrder
)

// SaveAccount makes an account, or sets the limits and credentials of one that is there: each credential of a is added,
// or gets a's webhook id and times. What a does not list stays, and so does an organization id that a leaves empty.
func (s *Store) SaveAccount(ctx context.Context, a store.Account) error {
	limits, err := store.LimitsText(a.Limits)
	if err != nil {
		return failed("save account", err)
	}
	err = s.writer.do(ctx, func(tx *tx) error {
		if _, err := tx.exec(saveAccount, a.Org, a.LiveChat, a.CreatedAt.UnixMicro(), a.OrganizationID, limits); err != nil {
			return err
		}
		for _, c := range a.Credentials {
			values := append([]any{a.Org, a.LiveChat}, store.CredentialValues(c)...)
			if _, err := tx.exec(saveCredential, values...); err != nil {
				return fmt.Errorf("save credential: %w", err)
			}
		}
		_, err := tx.exec(noteEver)
		return err
	})
	return failed("save account", err)
}

// RemoveAccount forgets an account and its credentials; its messages stay. store.ErrUnknownAccount when there is none.
func (s *Store) RemoveAccount(ctx context.Context, of messages.Tenant) error {
	return failed("remove account", s.remove(ctx, store.ErrUnknownAccount, removeAccount, of.Org, of.LiveChat))
}

// RemoveCredential forgets one credential. store.ErrUnknownCredential when there is none.
func (s *Store) RemoveCredential(ctx context.Context, of messages.Tenant, id string) error {
	err := s.remove(ctx, store.ErrUnknownCredential, removeCredential, of.Org, of.LiveChat, id)
	return failed("remove credential", err)
}

func (s *Store) remove(ctx context.Context, unknown error, statement string, args ...any) error {
	return s.writer.do(ctx, func(tx *tx) error {
		removed, err := tx.exec(statement, args...)
		if err == nil && removed == 0 {
			err = unknown
		}
		return err
	})
}

// LearnOrganization notes LiveChat's id of the account's organisation, unless the account knows one already, and returns
// the one that holds. store.ErrUnknownAccount when there is no account.
func (s *Store) LearnOrganization(ctx context.Context, of messages.Tenant, organizationID string) (holds string, err error) {
	holds, err = write(ctx, s.writer, func(tx *tx) (holds string, err error) {
		if _, err := tx.exec(learnOrganization, organizationID, of.Org, of.LiveChat); err != nil {
			return "", err
		}
		ok, err := tx.scan(readOrganization, []any{of.Org, of.LiveChat}, &holds)
		if err == nil && !ok {
			err = store.ErrUnknownAccount
		}
		return holds, err
	})
	return holds, failed("learn organization", err)
}

// Account returns the tenant's account, or store.ErrUnknownAccount.
func (s *Store) Account(ctx context.Context, of messages.Tenant) (store.Account, error) {
	one, err := s.accounts(ctx, listAccounts+` WHERE a.org = ? AND a.livechat = ?`+accountOrder, of.Org, of.LiveChat)
	if err == nil && len(one) == 0 {
		err = store.ErrUnknownAccount
	}
	if err != nil {
		return store.Account{}, failed("read account", err)
	}
	return one[0], nil
}

// Accounts returns every account, ordered by organisation and livechat id; credentials in the order they were added.
func (s *Store) Accounts(ctx context.Context) ([]store.Account, error) {
	all, err := s.accounts(ctx, listAccounts+accountOrder)
	return all, failed("list accounts", err)
}

// AccountsOf returns the accounts of one of LiveChat's organisations, in the order of Accounts; none is no error.
func (s *Store) AccountsOf(ctx context.Context, organizationID string) ([]store.Account, error) {
	all, err := s.accounts(ctx, listAccounts+` WHERE a.organization_id = ?`+accountOrder, organizationID)
	return all, failed("list accounts of organization", err)
}

// AnyAccountEver reports whether an account was ever made; removing it does not undo that.
func (s *Store) AnyAccountEver(ctx context.Context) (ever bool, err error) {
	_, err = s.reader.scan(ctx, `SELECT account_ever FROM store_facts WHERE only = 1`, nil, &ever)
	return ever, failed("look for accounts", err)
}

func (s *Store) accounts(ctx context.Context, query string, args ...any) ([]store.Account, error) {
	var all []store.Account
	err := s.reader.each(ctx, query, args, func(rows *sql.Rows) (err error) {
		all, err = store.ScanAccount(rows.Scan, all)
		return err
	})
	return all, err
}
