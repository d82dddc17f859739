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
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

type registerCmd struct {
	appFlag
	account.TenantFlags
	URL     string   `name:"url" required:"" help:"Where LiveChat posts: https://HOST/webhooks/livechat/IDENTIFIER, as account add and account show print it, or https://HOST/webhooks/livechat for an app of many organisations."`
	Actions []string `help:"Only these actions (default: all that are about a chat)."`
	All     bool     `help:"All actions of LiveChat, also those about agents, groups, bots and tags."`
	Own     bool     `name:"own-messages" default:"true" negatable:"" help:"Take what the app itself writes, too. Without it history lacks the answers that your own systems give through the same client id."`
	DryRun  bool     `help:"Say what would be registered, and change nothing."`
	livechatAPI
	settings.ProcessConfig
}

// Help teaches.
func (registerCmd) Help() string {
	return `Makes one webhook for each action, all with one new secret_key, and keeps that secret, sealed, with the account: nothing
has to be copied. What is registered already for the same URL stays. What your app writes itself comes as well, so that
history has both sides; --no-own-messages leaves it out, for an app that would answer its own messages. The token needs the
scopes webhooks.configuration:rw and webhooks.state:rw. docs/livechat.md goes through it step by step.

  export LIVEPIPE_LIVECHAT_TOKEN=ACCOUNT_ID:TOKEN
  livepipe livechat register --client-id=0805e2... --org=org123 --livechat=lc-789 \
    --url=https://livepipe.example.com/webhooks/livechat/b3JnMTIzOnVzZXI0NTY6bGMtNzg5`
}

// Run registers what is missing. It may be run again at any time, and goes on where it stopped.
func (c *registerCmd) Run(ctx context.Context, std settings.Streams) error {
	wanted, err := c.wanted()
	if err != nil {
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
		if err := c.checkURL(whose, std); err != nil {
			return err
		}
		r := &registrar{api: api, db: db, account: whose, clientID: c.ClientID, target: target{url: c.URL, sources: c.sources()}}
		if err := r.look(ctx, wanted); err != nil {
			return err
		}
		if r.otherSources > 0 {
			fmt.Fprintf(std.Err, "%d webhooks were registered with another choice of --own-messages and keep it: unregister them first to change it.\n", r.otherSources)
		}
		if c.DryRun {
			return r.print(std)
		}
		if err := r.openKey(ctx, c.ProcessConfig, std); err != nil {
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

// sources are whose doings LiveChat posts. livepipe writes nothing to LiveChat; what the app writes comes from other systems
// of its owner, and history knows of it by the webhooks only, as backfill would fetch it.
func (c *registerCmd) sources() []string {
	all := []string{"my_client", "other_clients", "system"}
	if !c.Own {
		return all[1:]
	}
	return all
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
func (c *registerCmd) checkURL(whose store.Account, std settings.Streams) error {
	tenant := whose.Tenant
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" || len(c.URL) > webapi.MaxURL {
		return fmt.Errorf("--url must be an address such as https://livepipe.example.com/webhooks/livechat/IDENTIFIER, of at most %d characters", webapi.MaxURL)
	}
	if u.Scheme == "http" && !loopback.Is(u.Hostname()) {
		fmt.Fprintln(std.Err, "The URL begins with http: chats and the secret would travel in the clear.")
	}
	switch segment, known := destination(u.Path); {
	case !known:
		fmt.Fprintln(std.Err, "The URL has none of livepipe's paths (such as /webhooks/livechat/IDENTIFIER): something in front of it must add one.")
	case segment == "" && strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("--url ends with a slash, and ingress would refuse every post: it must be %s", identifierURL(u, tenant))
	case segment == "" && whose.OrganizationID == "":
		return fmt.Errorf("--url names no account, and LiveChat's organization id, by which posts would find it, is not known: use --url=%s, or first run livepipe account add --org=%s --livechat=%s --organization-id=UUID",
			identifierURL(u, tenant), account.Shown(tenant.Org), account.Shown(tenant.LiveChat))
	case segment != "":
		of, err := livechat.ParseIdentifier(segment)
		if err != nil {
			return fmt.Errorf("--url ends with something that is no identifier: %w", err)
		}
		if of.Tenant != tenant {
			return fmt.Errorf("--url is of org %q and livechat %q, not of --org and --livechat", of.Org, of.LiveChat)
		}
	}
	return nil
}

// destination finds which of livepipe's endpoints a path leads to, and the identifier that it ends with: none on the one
// that serves every organisation of an app. A proxy may have put something before it.
func destination(path string) (identifier string, known bool) {
	for _, e := range livechat.Channel().Endpoints {
		prefix, identified := strings.CutSuffix(e.Path, ":identifier")
		if !identified && strings.HasSuffix(path, e.Path) {
			return "", true
		}
		if i := strings.LastIndex(path, prefix); identified && i >= 0 {
			return path[i+len(prefix):], true
		}
	}
	return "", false
}

// identifierURL is the URL that would be right on the same host.
func identifierURL(u *url.URL, tenant messages.Tenant) string {
	before, _, _ := strings.Cut(u.Path, "/webhooks/livechat")
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: before + account.WebhookPath(tenant)}).String()
}
