package livechat

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/account"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/loopback"
	"github.com/livepipe/livepipe/messages"
)

type registerCmd struct {
	appFlag
	account.TenantFlags
	URL     string   `name:"url" required:"" help:"Where LiveChat posts: https://HOST/webhooks/livechat/IDENTIFIER, or https://HOST/webhooks/livechat for an app of many organisations."`
	Actions []string `help:"Only these actions (default: all that are about a chat)."`
	All     bool     `help:"All actions of LiveChat, also those about agents, groups, bots and tags."`
	DryRun  bool     `help:"Say what would be registered, and change nothing."`
	livechatAPI
	settings.ProcessConfig
}

// Help teaches.
func (registerCmd) Help() string {
	return `Makes one webhook for each action, all with one new secret_key, and keeps that secret, sealed, with the account: nothing
has to be copied. What is registered already for the same URL stays. What your app writes itself is not posted back. The
token needs the scopes webhooks.configuration:rw and webhooks.state:rw. docs/livechat.md goes through it step by step.

  export LIVEPIPE_LIVECHAT_TOKEN=ACCOUNT_ID:TOKEN
  livepipe livechat register --client-id=0805e2... --org=org123 --livechat=lc-789 \
    --url=https://livepipe.example.com/webhooks/livechat/b3JnMTIzOnVzZXI0NTY6bGMtNzg5`
}

// Run registers what is missing. It may be run again at any time, and goes on where it stopped.
func (c *registerCmd) Run(ctx context.Context, std settings.Streams) error {
	tenant, err := c.Tenant()
	if err != nil {
		return err
	}
	wanted, err := c.wanted()
	if err != nil {
		return err
	}
	if err := c.checkURL(tenant, std); err != nil {
		return err
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
		if !strings.Contains(c.URL, "/livechat/") && whose.OrganizationID == "" {
			fmt.Fprintln(std.Err, "The URL names no account, and the account has no --organization-id: posts find it by the webhook's id and secret only once it has one.")
		}
		r := &registrar{api: api, db: db, account: whose, clientID: c.ClientID, url: c.URL}
		if err := r.look(ctx, wanted); err != nil {
			return err
		}
		if c.DryRun {
			return r.print(std)
		}
		accounts, err := db.Accounts(ctx)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		if r.key, err = account.SealingKey(c.ProcessConfig, std, accounts); err != nil {
			return err
		}
		err = r.register(ctx)
		if e := r.print(std); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		return r.enable(ctx, std)
	})
}

// wanted are the actions that the flags name.
func (c *registerCmd) wanted() ([]webapi.Action, error) {
	if c.All && len(c.Actions) > 0 {
		return nil, errors.New("--all and --actions exclude each other")
	}
	var wanted []webapi.Action
	unknown := slices.Clone(c.Actions)
	for _, a := range webapi.Actions() {
		if named := slices.Contains(c.Actions, a.Name); named || c.All || a.Chat && len(c.Actions) == 0 {
			wanted = append(wanted, a)
		}
		unknown = slices.DeleteFunc(unknown, func(name string) bool { return name == a.Name })
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("LiveChat has no action %q", unknown[0])
	}
	return wanted, nil
}

// checkURL finds the mistakes that would only show when LiveChat posts.
func (c *registerCmd) checkURL(tenant messages.Tenant, std settings.Streams) error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" || len(c.URL) > webapi.MaxURL {
		return fmt.Errorf("--url must be an address such as https://livepipe.example.com/webhooks/livechat/IDENTIFIER, of at most %d characters", webapi.MaxURL)
	}
	if u.Scheme == "http" && !loopback.Is(u.Hostname()) {
		fmt.Fprintln(std.Err, "The URL begins with http: chats and the secret would travel in the clear.")
	}
	known := false
	for _, e := range livechat.Channel().Endpoints {
		prefix, identified := strings.CutSuffix(e.Path, ":identifier")
		_, rest, found := strings.Cut(u.Path, prefix)
		if !found {
			continue
		}
		known = true
		if !identified || rest == "" {
			continue
		}
		whose, err := livechat.Channel().Identify(rest)
		if err != nil {
			return fmt.Errorf("--url ends with something that is no identifier: %w", err)
		}
		if whose.Tenant != tenant {
			return fmt.Errorf("--url is of org %q and livechat %q, not of --org and --livechat", whose.Org, whose.LiveChat)
		}
	}
	if !known {
		fmt.Fprintln(std.Err, "The URL has none of livepipe's paths (such as /webhooks/livechat/IDENTIFIER): something in front of it must add one.")
	}
	return nil
}
