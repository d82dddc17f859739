package livechat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/account"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

type rotateCmd struct {
	appFlag
	account.TenantFlags
	Overlap time.Duration `default:"2m" help:"How long old and new webhooks stand side by side: LiveChat takes up to 2 minutes to begin with the new ones."`
	DryRun  bool          `help:"Say what would be replaced, and change nothing."`
	livechatAPI
	settings.ProcessConfig
}

// Help teaches.
func (rotateCmd) Help() string {
	return `LiveChat cannot change the secret_key of a webhook. This registers each webhook that livepipe livechat register made for the
account once more, for the same URL and all with one new secret, waits for --overlap, and then removes the old ones. While
both stand, LiveChat posts everything twice, and what comes twice has one effect. The old secret counts for ten minutes more;
after a leak, end it at once with livepipe account remove --credential=ID. When it breaks, or is interrupted, run it again: it
goes on with what is left, and starts a new rotation only when none is under way.

  livepipe livechat rotate --client-id=0805e2... --org=org123 --livechat=lc-789`
}

// Run replaces every webhook of the account.
func (c *rotateCmd) Run(ctx context.Context, std settings.Streams) error {
	if c.Overlap < 0 {
		return errors.New("--overlap must not be negative")
	}
	api, err := c.client(std)
	if err != nil {
		return err
	}
	defer api.Close()
	return c.WithStore(ctx, func(db settings.OpenStore) error {
		whose, err := c.Account(ctx, db)
		if err != nil {
			return err
		}
		r := &rotation{registrar: registrar{api: api, db: db, account: whose, clientID: c.ClientID}}
		if err := r.look(ctx); err != nil {
			return err
		}
		if c.DryRun {
			return r.print(std)
		}
		if err := r.openKey(ctx, c.ProcessConfig, std); err != nil {
			return err
		}
		err = r.run(ctx, std, c.Overlap)
		if e := r.print(std); err == nil {
			err = e
		}
		return err
	})
}

// run does the three steps. Each may be repeated.
func (r *rotation) run(ctx context.Context, std settings.Streams, overlap time.Duration) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.renew(ctx); err != nil {
		return fmt.Errorf("%w (nothing is removed yet; run the command again to go on)", err)
	}
	if overlap > 0 {
		fmt.Fprintf(std.Err, "The new webhooks are registered. The old ones go in %s, when LiveChat posts to the new ones for certain.\n", overlap)
	}
	wait := time.NewTimer(overlap)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return errors.New("stopped: old and new webhooks stand side by side; run the command again to remove the old ones")
	}
	if err := r.retire(ctx); err != nil {
		return fmt.Errorf("%w (the new webhooks are all there; run the command again to remove the rest of the old ones)", err)
	}
	fmt.Fprintf(std.Err, "The old secret counts for %d more minutes.\n", int(afterlife.Minutes()))
	return nil
}
