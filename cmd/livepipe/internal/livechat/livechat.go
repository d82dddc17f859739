// Package livechat is `livepipe livechat`: registering webhooks at LiveChat, and publishing what history misses.
package livechat

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/account"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/store"
)

// Command groups what is done at LiveChat itself. Nothing else of livepipe calls it.
type Command struct {
	Register   registerCmd   `cmd:"" help:"Register webhooks with LiveChat, so that it posts what happens to livepipe, and keep their secret."`
	List       listCmd       `cmd:"" help:"List the webhooks of an app."`
	Unregister unregisterCmd `cmd:"" help:"Remove webhooks from LiveChat."`
	Rotate     rotateCmd     `cmd:"" help:"Give the webhooks that register made a new secret, without missing a post."`
	Backfill   backfillCmd   `cmd:"" help:"Read chats from LiveChat and publish what history misses."`
}

// livechatAPI is how a command reaches LiveChat.
type livechatAPI struct {
	Token     string `env:"LIVEPIPE_LIVECHAT_TOKEN" placeholder:"TOKEN" help:"Personal access token as ACCOUNT_ID:TOKEN (or the base64 of it), or an OAuth access token. Better in the environment or a file: arguments stay in the shell's history."`
	TokenFile string `placeholder:"FILE" help:"File that holds the token, or - for the standard input. Goes before the token itself."`
	API       string `name:"api" env:"LIVEPIPE_LIVECHAT_API" default:"https://api.livechatinc.com" help:"Address of LiveChat's Web API."`
}

// client is the way to LiveChat. Pauses are told on the standard error.
func (a livechatAPI) client(std settings.Streams) (*webapi.Client, error) {
	token := a.Token
	if a.TokenFile != "" {
		var err error
		if token, err = account.ReadSecret("--token-file", a.TokenFile); err != nil {
			return nil, err
		}
	}
	return webapi.New(webapi.Config{
		BaseURL: a.API, Token: token, UserAgent: "livepipe/" + std.Version,
		Waiting: func(cause error, pause time.Duration) {
			fmt.Fprintf(std.Err, "%v (again in %s)\n", cause, pause.Round(100*time.Millisecond))
		},
	})
}

// appFlag names the app whose webhooks are meant.
type appFlag struct {
	ClientID string `required:"" env:"LIVEPIPE_LIVECHAT_CLIENT_ID" help:"Client ID of your app in LiveChat's Developer Console, which owns the webhooks."`
}

type listCmd struct {
	appFlag
	livechatAPI
}

// Run lists the webhooks.
func (c *listCmd) Run(ctx context.Context, std settings.Streams) error {
	api, err := c.client(std)
	if err != nil {
		return err
	}
	defer api.Close()
	all, err := api.Webhooks(ctx, c.ClientID)
	if err != nil {
		return err
	}
	enabled, err := api.Enabled(ctx, c.ClientID)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tACTION\tTYPE\tURL\tDESCRIPTION")
	for _, w := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", account.Shown(w.ID), account.Shown(w.Action), account.Shown(w.Type), account.Shown(w.URL), account.Shown(w.Description))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !enabled {
		fmt.Fprintln(std.Err, "These webhooks are turned off for the token's licence: livepipe livechat register turns them on.")
	}
	return nil
}

type unregisterCmd struct {
	appFlag
	URL    string   `name:"url" help:"Remove the webhooks that lead to this URL."`
	ID     []string `name:"id" help:"Remove the webhooks with these ids of the list."`
	DryRun bool     `help:"Say what would be removed, and change nothing."`
	livechatAPI
	settings.ProcessConfig
}

// afterlife is how long the secret of a removed webhook still counts: LiveChat may go on posting for 2 minutes
// (Configuration API, "Propagation delay") and tries again for about one more.
const afterlife = 10 * time.Minute

// Run removes the webhooks, then lets their secrets expire.
func (c *unregisterCmd) Run(ctx context.Context, std settings.Streams) error {
	if (c.URL == "") == (len(c.ID) == 0) {
		return errors.New("say which: --url, or --id of the list")
	}
	api, err := c.client(std)
	if err != nil {
		return err
	}
	defer api.Close()
	return c.WithStore(ctx, func(db settings.OpenStore) error {
		chosen, err := c.choose(ctx, api)
		if err != nil {
			return err
		}
		for i, w := range chosen {
			if c.DryRun {
				fmt.Fprintf(std.Out, "would remove %s %s\n", account.Shown(w.ID), account.Shown(w.Action))
				continue
			}
			if err := api.Unregister(ctx, c.ClientID, w.ID); err != nil {
				return fmt.Errorf("%w (%d of %d are removed; run it again to go on)", err, i, len(chosen))
			}
			fmt.Fprintf(std.Out, "removed %s %s\n", account.Shown(w.ID), account.Shown(w.Action))
			if err := expireSecret(context.WithoutCancel(ctx), db, w.ID, time.Now().Add(afterlife)); err != nil {
				return err
			}
		}
		if len(chosen) > 0 && !c.DryRun {
			fmt.Fprintf(std.Err, "LiveChat may post for 2 more minutes; the secrets count for %d.\n", int(afterlife.Minutes()))
		}
		return nil
	})
}

// choose finds the webhooks that the flags name.
func (c *unregisterCmd) choose(ctx context.Context, api *webapi.Client) ([]webapi.Webhook, error) {
	all, err := api.Webhooks(ctx, c.ClientID)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]webapi.Webhook, len(all))
	var chosen []webapi.Webhook
	for _, w := range all {
		byID[w.ID] = w
		if c.URL != "" && w.URL == c.URL {
			chosen = append(chosen, w)
		}
	}
	for _, id := range c.ID {
		w, ok := byID[id]
		if !ok {
			return nil, fmt.Errorf("the app has no webhook %q (see livepipe livechat list)", id)
		}
		chosen = append(chosen, w)
	}
	if len(chosen) == 0 {
		return nil, errors.New("no webhook of the app leads to this URL (see livepipe livechat list)")
	}
	return chosen, nil
}

// expireSecret sets the end of the secrets that a webhook sends, whichever account has them.
func expireSecret(ctx context.Context, db settings.OpenStore, webhookID string, end time.Time) error {
	accounts, err := db.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("find the webhook's account: %w", err)
	}
	for _, a := range accounts {
		for _, cred := range a.Credentials {
			if cred.Kind != store.LiveChatKey || cred.WebhookID != webhookID || !cred.ValidAt(end) {
				continue
			}
			cred.ExpiresAt = end
			a.Credentials = []store.Credential{cred}
			if err := db.SaveAccount(ctx, a); err != nil {
				return fmt.Errorf("let the webhook's secret expire: %w", err)
			}
			break
		}
	}
	return nil
}
