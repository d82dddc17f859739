package livechat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/account"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/messages"
)

type backfillCmd struct {
	account.TenantFlags
	Chat   string `placeholder:"ID" help:"All threads of this chat."`
	Since  string `placeholder:"TIME" help:"All threads with an event since then: RFC 3339, such as 2026-03-02T09:00:00Z, or a duration back from now, such as 24h."`
	DryRun bool   `help:"Count what is missing, and publish nothing."`
	livechatAPI
	settings.ProcessConfig
	settings.NatsClient
}

// Help teaches.
func (backfillCmd) Help() string {
	return `LiveChat tries a webhook for about a minute and then drops it. This reads the chats themselves and publishes the messages
that history does not have, as the webhooks would have: run it after an outage, and once for the past of a new account.
It may be stopped and run again at any time. The token needs the scope chats--all:ro.

  livepipe livechat backfill --org=org123 --livechat=lc-789 --since=24h --dry-run
  livepipe livechat backfill --org=org123 --livechat=lc-789 --chat=PJ0MRSHTDG`
}

// Run reads from LiveChat and publishes what is missing. It may be stopped, and run again, at any time.
func (c *backfillCmd) Run(ctx context.Context, std settings.Streams) error {
	tenant, err := c.Tenant()
	if err != nil {
		return err
	}
	if (c.Chat == "") == (c.Since == "") {
		return errors.New("say which: --chat or --since")
	}
	since, err := parseSince(c.Since, time.Now())
	if err != nil {
		return err
	}
	api, err := c.client(std)
	if err != nil {
		return err
	}
	defer api.Close()
	return c.WithStore(ctx, func(db settings.OpenStore) error {
		keeps, err := keeps(ctx, c.TenantFlags, db)
		if err != nil {
			return err
		}
		return c.withPublisher(ctx, std, func(p message.Publisher) error {
			b := &backfill{
				api: api, history: db, bus: p, whose: channels.Identity{Tenant: tenant}, progress: std.Err, lastLine: time.Now(),
			}
			if keeps > 0 {
				b.oldest = time.Now().AddDate(0, 0, -keeps)
			}
			var err error
			if c.Chat != "" {
				err = b.chat(ctx, c.Chat)
			} else {
				err = b.since(ctx, since)
			}
			fmt.Fprintln(std.Out, b.summary(c.DryRun))
			if ctx.Err() != nil {
				return errors.New("stopped: run it again, and it publishes what is missing then")
			}
			return errors.Join(err, b.unread())
		})
	})
}

// parseSince reads a moment, or how long ago it was.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	at, err := messages.ParseTime(s)
	if err != nil {
		return time.Time{}, errors.New("--since must be RFC 3339, such as 2026-03-02T09:00:00Z, or a duration such as 24h")
	}
	return at, nil
}

// keeps is how many days the account keeps messages, 0 for ever. It refuses a tenant that is most likely a slip: there are
// accounts, and none is its.
func keeps(ctx context.Context, f account.TenantFlags, db settings.OpenStore) (days int, err error) {
	account, err := f.Account(ctx, db)
	if err == nil {
		return account.Limits.RetentionDays, nil
	}
	if ever, e := db.AnyAccountEver(ctx); e == nil && !ever {
		return 0, nil
	}
	return 0, err
}

// withPublisher opens the bus for one use. A dry run needs none.
func (c *backfillCmd) withPublisher(ctx context.Context, std settings.Streams, use func(message.Publisher) error) error {
	if c.DryRun {
		return use(nil)
	}
	bus := settings.BusSettings{BusConfig: c.BusConfig, StoreConfig: c.StoreConfig, NatsConfig: settings.NatsConfig{NatsClient: c.NatsClient}}
	return bus.WithBus(ctx, std, func(b *settings.OpenBus) error { return use(b.Publisher) })
}
