package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/internal/loopback"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

type livechatRegisterCmd struct {
	appFlag
	tenantFlags
	URL     string   `name:"url" required:"" help:"Where LiveChat posts: https://HOST/webhooks/livechat/IDENTIFIER, or https://HOST/webhooks/livechat for an app of many organisations."`
	Actions []string `help:"Only these actions (default: all that are about a chat)."`
	All     bool     `help:"All actions of LiveChat, also those about agents, groups, bots and tags."`
	DryRun  bool     `help:"Say what would be registered, and change nothing."`
	livechatAPI
	processConfig
}

// Help teaches.
func (livechatRegisterCmd) Help() string {
	return `Makes one webhook for each action, all with one new secret_key, and keeps that secret, sealed, with the account: nothing
has to be copied. What is registered already for the same URL stays. What your app writes itself is not posted back. The
token needs the scopes webhooks.configuration:rw and webhooks.state:rw. docs/livechat.md goes through it step by step.

  export LIVEPIPE_LIVECHAT_TOKEN=ACCOUNT_ID:TOKEN
  livepipe livechat register --client-id=0805e2... --org=org123 --livechat=lc-789 \
    --url=https://livepipe.example.com/webhooks/livechat/b3JnMTIzOnVzZXI0NTY6bGMtNzg5`
}

// Run registers what is missing. It may be run again at any time, and goes on where it stopped.
func (c *livechatRegisterCmd) Run(ctx context.Context, std streams) error {
	tenant, err := c.tenant()
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
	return c.withStore(ctx, func(db openStore) error {
		account, err := c.account(ctx, db)
		if err != nil {
			return err
		}
		if !strings.Contains(c.URL, "/livechat/") && account.OrganizationID == "" {
			fmt.Fprintln(std.err, "The URL names no account, and the account has no --organization-id: posts find it by the webhook's id and secret only once it has one.")
		}
		r := &registrar{api: api, db: db, account: account, clientID: c.ClientID, url: c.URL}
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
		if r.key, err = c.sealingKey(std, accounts); err != nil {
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
func (c *livechatRegisterCmd) wanted() ([]webapi.Action, error) {
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
func (c *livechatRegisterCmd) checkURL(tenant messages.Tenant, std streams) error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" || len(c.URL) > webapi.MaxURL {
		return fmt.Errorf("--url must be an address such as https://livepipe.example.com/webhooks/livechat/IDENTIFIER, of at most %d characters", webapi.MaxURL)
	}
	if u.Scheme == "http" && !loopback.Is(u.Hostname()) {
		fmt.Fprintln(std.err, "The URL begins with http: chats and the secret would travel in the clear.")
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
		fmt.Fprintln(std.err, "The URL has none of livepipe's paths (such as /webhooks/livechat/IDENTIFIER): something in front of it must add one.")
	}
	return nil
}

// registrar brings the webhooks of one account about.
type registrar struct {
	api      *webapi.Client
	db       openStore
	key      *secrets.Key
	account  store.Account
	clientID string
	url      string
	rows     []webhookRow
}

// webhookRow is what becomes of one action.
type webhookRow struct {
	webapi.Action
	state      string
	webhookID  string
	credential store.Credential // of the webhook that is there
}

// The states of a row.
const (
	missing    = "to be registered"
	registered = "registered"
	there      = "was registered before"
	unfinished = "registered before, id to be noted" // by a run that did not get so far
)

// look compares LiveChat with the account. An error says what has to be done first; nothing is changed.
func (r *registrar) look(ctx context.Context, wanted []webapi.Action) error {
	all, err := r.api.Webhooks(ctx, r.clientID)
	if err != nil {
		return err
	}
	var foreign, full []string
	for _, a := range wanted {
		row := webhookRow{Action: a, state: missing}
		same, others := 0, 0
		for _, w := range all {
			if w.Action != a.Name {
				continue
			}
			same++
			if w.URL != r.url || w.Type != license {
				continue
			}
			if credential, ok := r.secretOf(w); ok {
				row.state, row.webhookID, row.credential = there, w.ID, credential
				if credential.WebhookID != w.ID {
					row.state = unfinished
				}
			} else {
				others++
			}
		}
		switch {
		case row.state != missing:
		case others > 0:
			foreign = append(foreign, a.Name)
		case same >= webapi.MaxPerAction:
			full = append(full, a.Name)
		}
		r.rows = append(r.rows, row)
	}
	if len(full) > 0 {
		return fmt.Errorf("the app has %d webhooks, which is all that LiveChat takes, for %s: remove one of each first (livepipe livechat list, unregister --id)",
			webapi.MaxPerAction, strings.Join(full, ", "))
	}
	if len(foreign) > 0 {
		return fmt.Errorf("LiveChat posts to this URL already with a secret that this account does not have, for %s: remove those first (livepipe livechat unregister --client-id=%s --url=%s), or add the secret (livepipe account add --help)",
			strings.Join(foreign, ", "), r.clientID, r.url)
	}
	return nil
}

// license is the type of webhooks that are sent for every chat of a licence.
const license = "license"

// descriptionPrefix stands before the id of the credential in a webhook's description: a run that ended between
// LiveChat's answer and the store's is taken up again by it.
const descriptionPrefix = "livepipe "

// secretOf finds the account's credential for a webhook.
func (r *registrar) secretOf(w webapi.Webhook) (store.Credential, bool) {
	id, ours := strings.CutPrefix(w.Description, descriptionPrefix)
	for _, c := range r.account.Credentials {
		if c.Kind == store.LiveChatKey && c.ExpiresAt.IsZero() && (c.WebhookID == w.ID || ours && c.ID == id) {
			return c, true
		}
	}
	return store.Credential{}, false
}

// register makes the webhooks that are missing, all with one new secret. The secret is in the store before LiveChat
// knows it, so that no post of LiveChat's is ever refused.
func (r *registrar) register(ctx context.Context) error {
	secret := newSecretKey()
	for i := range r.rows {
		row := &r.rows[i]
		var err error
		switch row.state {
		case unfinished:
			err = r.note(ctx, row.credential, row.webhookID)
		case missing:
			err = r.one(ctx, row, secret)
		}
		if err != nil {
			return fmt.Errorf("%w (%d of %d webhooks are registered; run the command again to go on, or undo it with livepipe livechat unregister --client-id=%s --url=%s)",
				err, i, len(r.rows), r.clientID, r.url)
		}
	}
	return nil
}

// one registers one webhook.
func (r *registrar) one(ctx context.Context, row *webhookRow, secret string) error {
	c, spare := r.spare(row.Name)
	if spare != "" {
		secret = spare
	} else {
		c = store.Credential{ID: newCredentialID(), Kind: store.LiveChatKey, Name: row.Name, AddedAt: time.Now()}
		c.Sealed = r.key.Seal(r.account.Tenant, c, secret)
		if err := r.save(ctx, c); err != nil {
			return err
		}
	}
	wish := webapi.Registration{
		Action: row.Name, URL: r.url, SecretKey: secret, Description: descriptionPrefix + c.ID, OwnerClientID: r.clientID, Type: license,
		// What this app writes itself is in history already.
		Filters: webapi.Filters{SourceType: []string{"other_clients", "system"}},
	}
	if row.Chat {
		wish.AdditionalData = []string{"chat_properties", "chat_presence_user_ids"}
	}
	id, err := r.api.Register(ctx, wish)
	ctx = context.WithoutCancel(ctx) // what LiveChat has done must be noted, also after an interrupt
	if err != nil {
		if webapi.Undone(err) && spare == "" {
			err = errors.Join(err, r.db.RemoveCredential(ctx, r.account.Tenant, c.ID))
		}
		return err
	}
	row.state, row.webhookID = registered, id
	return r.note(ctx, c, id)
}

// spare finds a secret that an earlier run kept for an action, and that no webhook has: the run ended before LiveChat
// answered, and LiveChat knows nothing of it.
func (r *registrar) spare(action string) (store.Credential, string) {
	for _, c := range r.account.Credentials {
		if c.Kind == store.LiveChatKey && c.Name == action && c.WebhookID == "" && c.ExpiresAt.IsZero() {
			if secret, err := r.key.Open(r.account.Tenant, c); err == nil {
				return c, secret
			}
		}
	}
	return store.Credential{}, ""
}

// note keeps the id of a webhook with its secret.
func (r *registrar) note(ctx context.Context, c store.Credential, webhookID string) error {
	c.WebhookID = webhookID
	return r.save(ctx, c)
}

func (r *registrar) save(ctx context.Context, c store.Credential) error {
	a := r.account
	a.Credentials = []store.Credential{c}
	if err := r.db.SaveAccount(ctx, a); err != nil {
		return fmt.Errorf("keep the webhook's secret: %w", err)
	}
	return nil
}

// newSecretKey makes 256 random bits of text.
func newSecretKey() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (r *registrar) print(std streams) error {
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACTION\tWEBHOOK\tSTATE")
	for _, row := range r.rows {
		fmt.Fprintf(table, "%s\t%s\t%s\n", row.Name, shown(row.webhookID), row.state)
	}
	return table.Flush()
}

// enable turns the webhooks on for the token's licence, unless they are.
func (r *registrar) enable(ctx context.Context, std streams) error {
	on, err := r.api.Enabled(ctx, r.clientID)
	if err == nil && !on {
		err = r.api.Enable(ctx, r.clientID)
	}
	if err != nil {
		return fmt.Errorf("the webhooks are registered, but it is not certain that they are turned on for the licence: %w", err)
	}
	fmt.Fprintln(std.err, "Their secret is in the store, sealed. LiveChat begins to post within 2 minutes.")
	return nil
}
