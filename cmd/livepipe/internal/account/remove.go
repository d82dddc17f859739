package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/store"
)

type removeCmd struct {
	TenantFlags
	Credential string `placeholder:"ID" help:"Remove this credential only (livepipe account show lists them)."`
	settings.ProcessConfig
}

// Help teaches.
func (removeCmd) Help() string {
	return `What is removed ends everywhere within 30 seconds. An account's messages stay. Nothing opens by removing the last
account: LIVEPIPE_ACCESS=auto wants credentials from the first account on, for good.`
}

// Run removes.
func (c *removeCmd) Run(ctx context.Context, std settings.Streams) error {
	tenant, err := c.Tenant()
	if err != nil {
		return err
	}
	return c.WithStore(ctx, func(db settings.OpenStore) error {
		if c.Credential != "" {
			return c.removeCredential(ctx, std, db)
		}
		switch err := db.RemoveAccount(ctx, tenant); {
		case errors.Is(err, store.ErrUnknownAccount):
			return c.unknown()
		case err != nil:
			return fmt.Errorf("remove account: %w", err)
		}
		fmt.Fprintln(std.Out, "removed the account and its credentials; its messages stay")
		return nil
	})
}

func (c *removeCmd) removeCredential(ctx context.Context, std settings.Streams, db settings.OpenStore) error {
	if _, err := c.Account(ctx, db); err != nil {
		return err
	}
	tenant, _ := c.Tenant()
	switch err := db.RemoveCredential(ctx, tenant, c.Credential); {
	case errors.Is(err, store.ErrUnknownCredential):
		return fmt.Errorf("the account has no credential %q (see livepipe account show)", c.Credential)
	case err != nil:
		return fmt.Errorf("remove credential: %w", err)
	}
	fmt.Fprintln(std.Out, "removed", c.Credential)
	left, err := c.Account(ctx, db)
	if err != nil {
		return err
	}
	for _, one := range left.Credentials {
		if one.ValidAt(time.Now()) {
			return nil
		}
	}
	fmt.Fprintln(std.Err, "The account has no credential that counts now: nobody can call for it.")
	return nil
}
