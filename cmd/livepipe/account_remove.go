package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
)

type accountRemoveCmd struct {
	tenantFlags
	Credential string `placeholder:"ID" help:"Remove this credential only (livepipe account show lists them)."`
	processConfig
}

// Help teaches.
func (accountRemoveCmd) Help() string {
	return `What is removed ends everywhere within 30 seconds. An account's messages stay. Nothing opens by removing the last
account: LIVEPIPE_ACCESS=auto wants credentials from the first account on, for good.`
}

// Run removes.
func (c *accountRemoveCmd) Run(ctx context.Context, std streams) error {
	tenant, err := c.tenant()
	if err != nil {
		return err
	}
	return c.withStore(ctx, func(db openStore) error {
		if c.Credential != "" {
			return c.removeCredential(ctx, std, db)
		}
		switch err := db.RemoveAccount(ctx, tenant); {
		case errors.Is(err, store.ErrUnknownAccount):
			return c.unknown()
		case err != nil:
			return fmt.Errorf("remove account: %w", err)
		}
		fmt.Fprintln(std.out, "removed the account and its credentials; its messages stay")
		return nil
	})
}

func (c *accountRemoveCmd) removeCredential(ctx context.Context, std streams, db openStore) error {
	if _, err := c.account(ctx, db); err != nil {
		return err
	}
	tenant, _ := c.tenant()
	switch err := db.RemoveCredential(ctx, tenant, c.Credential); {
	case errors.Is(err, store.ErrUnknownCredential):
		return fmt.Errorf("the account has no credential %q (see livepipe account show)", c.Credential)
	case err != nil:
		return fmt.Errorf("remove credential: %w", err)
	}
	fmt.Fprintln(std.out, "removed", c.Credential)
	left, err := c.account(ctx, db)
	if err != nil {
		return err
	}
	for _, one := range left.Credentials {
		if one.ValidAt(time.Now()) {
			return nil
		}
	}
	fmt.Fprintln(std.err, "The account has no credential that counts now: nobody can call for it.")
	return nil
}
