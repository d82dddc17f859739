package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/internal/store"
)

// livechatCmd groups what is done at LiveChat itself. Nothing else of livepipe calls it.
type livechatCmd struct {
	Register   livechatRegisterCmd   `cmd:"" help:"Register webhooks with LiveChat, so that it posts what happens to livepipe, and keep their secret."`
	List       livechatListCmd       `cmd:"" help:"List the webhooks of an app."`
	Unregister livechatUnregisterCmd `cmd:"" help:"Remove webhooks from LiveChat."`
	Backfill   livechatBackfillCmd   `cmd:"" help:"Read chats from LiveChat and publish what history misses."`
}

// livechatAPI is how a command reaches LiveChat.
type livechatAPI struct {
	Token     string `env:"LIVEPIPE_LIVECHAT_TOKEN" placeholder:"TOKEN" help:"Personal access token as ACCOUNT_ID:TOKEN (or the base64 of it), or an OAuth access token. Better in the environment or a file: arguments stay in the shell's history."`
	TokenFile string `placeholder:"FILE" help:"File that holds the token, or - for the standard input. Goes before the token itself."`
	API       string `name:"api" env:"LIVEPIPE_LIVECHAT_API" default:"https://api.livechatinc.com" help:"Address of LiveChat's Web API."`
}

// client is the way to LiveChat. Pauses are told on the standard error.
func (a livechatAPI) client(std streams) (*webapi.Client, error) {
	token := a.Token
	if a.TokenFile != "" {
		var err error
		if token, err = readSecret("--token-file", a.TokenFile); err != nil {
			return nil, err
		}
	}
	return webapi.New(webapi.Config{
		BaseURL: a.API, Token: token, UserAgent: "livepipe/" + version,
		Waiting: func(cause error, pause time.Duration) {
			fmt.Fprintf(std.err, "%v (again in %s)\n", cause, pause.Round(100*time.Millisecond))
		},
	})
}

// appFlag names the app whose webhooks are meant.
type appFlag struct {
	ClientID string `required:"" env:"LIVEPIPE_LIVECHAT_CLIENT_ID" help:"Client ID of your app in LiveChat's Developer Console, which owns the webhooks."`
}

type livechatListCmd struct {
	appFlag
	livechatAPI
}

// Run lists the webhooks.
func (c *livechatListCmd) Run(ctx context.Context, std streams) error {
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
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tACTION\tTYPE\tURL\tDESCRIPTION")
	for _, w := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", shown(w.ID), shown(w.Action), shown(w.Type), shown(w.URL), shown(w.Description))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !enabled {
		fmt.Fprintln(std.err, "These webhooks are turned off for the token's licence: livepipe livechat register turns them on.")
	}
	return nil
}

type livechatUnregisterCmd struct {
	appFlag
	URL    string   `name:"url" help:"Remove the webhooks that lead to this URL."`
	ID     []string `name:"id" help:"Remove the webhooks with these ids of the list."`
	DryRun bool     `help:"Say what would be removed, and change nothing."`
	livechatAPI
	processConfig
}

// afterlife is how long the secret of a removed webhook still counts: LiveChat may go on posting for 2 minutes
// (Configuration API, "Propagation delay") and tries again for about one more.
const afterlife = 10 * time.Minute

// Run removes the webhooks, then lets their secrets expire.
func (c *livechatUnregisterCmd) Run(ctx context.Context, std streams) error {
	if (c.URL == "") == (len(c.ID) == 0) {
		return errors.New("say which: --url, or --id of the list")
	}
	api, err := c.client(std)
	if err != nil {
		return err
	}
	defer api.Close()
	return c.withStore(ctx, func(db openStore) error {
		chosen, err := c.choose(ctx, api)
		if err != nil {
			return err
		}
		for i, w := range chosen {
			if c.DryRun {
				fmt.Fprintf(std.out, "would remove %s %s\n", shown(w.ID), shown(w.Action))
				continue
			}
			if err := api.Unregister(ctx, c.ClientID, w.ID); err != nil {
				return fmt.Errorf("%w (%d of %d are removed; run it again to go on)", err, i, len(chosen))
			}
			fmt.Fprintf(std.out, "removed %s %s\n", shown(w.ID), shown(w.Action))
			if err := expireSecret(context.WithoutCancel(ctx), db, w.ID, time.Now().Add(afterlife)); err != nil {
				return err
			}
		}
		if len(chosen) > 0 && !c.DryRun {
			fmt.Fprintf(std.err, "LiveChat may post for 2 more minutes; the secrets count for %d.\n", int(afterlife.Minutes()))
		}
		return nil
	})
}

// choose finds the webhooks that the flags name.
func (c *livechatUnregisterCmd) choose(ctx context.Context, api *webapi.Client) ([]webapi.Webhook, error) {
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
func expireSecret(ctx context.Context, db openStore, webhookID string, end time.Time) error {
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
