package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// AddAccount makes an account with one token, or gives an existing account one more. A token that the account has
// already changes nothing.
func (s *Store) AddAccount(ctx context.Context, of messages.Tenant, tokenSHA256 [32]byte, at time.Time) error {
	const (
		addAccount = `INSERT INTO accounts (org, livechat, created_us) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
		addToken   = `INSERT INTO account_tokens (org, livechat, sha256, added_us) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
		noteEver   = `UPDATE store_facts SET account_ever = 1 WHERE only = 1`
	)
	err := s.writer.do(ctx, func(tx *tx) error {
		if _, err := tx.exec(addAccount, of.Org, of.LiveChat, at.UnixMicro()); err != nil {
			return err
		}
		if _, err := tx.exec(addToken, of.Org, of.LiveChat, tokenSHA256[:], at.UnixMicro()); err != nil {
			return fmt.Errorf("add token: %w", err)
		}
		_, err := tx.exec(noteEver)
		return err
	})
	return failed("add account", err)
}

// RemoveAccount forgets an account and its tokens; its messages stay. store.ErrUnknownAccount when there is none.
func (s *Store) RemoveAccount(ctx context.Context, of messages.Tenant) error {
	err := s.writer.do(ctx, func(tx *tx) error {
		removed, err := tx.exec(`DELETE FROM accounts WHERE org = ? AND livechat = ?`, of.Org, of.LiveChat)
		if err == nil && removed == 0 {
			err = store.ErrUnknownAccount
		}
		return err
	})
	return failed("remove account", err)
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

// Accounts returns every account, ordered by organisation and livechat id; tokens in the order they were added.
func (s *Store) Accounts(ctx context.Context) ([]store.Account, error) {
	all, err := s.accounts(ctx, listAccounts+accountOrder)
	return all, failed("list accounts", err)
}

// AnyAccountEver reports whether an account was ever made; removing it does not undo that.
func (s *Store) AnyAccountEver(ctx context.Context) (ever bool, err error) {
	_, err = s.reader.scan(ctx, `SELECT account_ever FROM store_facts WHERE only = 1`, nil, &ever)
	return ever, failed("look for accounts", err)
}

const (
	listAccounts = `SELECT ` + store.AccountColumns + `
		FROM accounts a JOIN account_tokens t ON t.org = a.org AND t.livechat = a.livechat`
	accountOrder = ` ORDER BY ` + store.AccountOrder
)

func (s *Store) accounts(ctx context.Context, query string, args ...any) ([]store.Account, error) {
	var all []store.Account
	err := s.reader.each(ctx, query, args, func(rows *sql.Rows) (err error) {
		all, err = store.ScanAccount(rows.Scan, all)
		return err
	})
	return all, err
}
