package livechat

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/account"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/store"
)

// registrar brings the webhooks of one account about.
type registrar struct {
	api      *webapi.Client
	db       settings.OpenStore
	key      *secrets.Key
	account  store.Account
	clientID string
	target
	rows         []webhookRow
	otherSources int // webhooks that are there already and post more or less than is asked for now
}

// target is where LiveChat posts, and what of.
type target struct {
	url     string
	sources []string // source_type: whose doings; in the order of the alphabet
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
				if has := w.Filters.SourceType; len(has) > 0 && !slices.Equal(slices.Sorted(slices.Values(has)), r.sources) {
					r.otherSources++
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

// openKey opens what new secrets are sealed with. It must fit the secrets of every account.
func (r *registrar) openKey(ctx context.Context, c settings.ProcessConfig, std settings.Streams) error {
	accounts, err := r.db.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	r.key, err = account.SealingKey(c, std, accounts)
	return err
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
			err = r.one(ctx, row, r.target, secret)
		}
		if err != nil {
			return fmt.Errorf("%w (%d of %d webhooks are registered; run the command again to go on, or undo it with livepipe livechat unregister --client-id=%s --url=%s)",
				err, i, len(r.rows), r.clientID, r.url)
		}
	}
	return nil
}

// one registers one webhook.
func (r *registrar) one(ctx context.Context, row *webhookRow, at target, secret string) error {
	c, spare := r.spare(row.Name)
	if spare != "" {
		secret = spare
	} else {
		c = store.Credential{ID: account.NewCredentialID(), Kind: store.LiveChatKey, Name: row.Name, AddedAt: time.Now()}
		c.Sealed = r.key.Seal(r.account.Tenant, c, secret)
		if err := r.save(ctx, c); err != nil {
			return err
		}
	}
	wish := webapi.Registration{
		Action: row.Name, URL: at.url, SecretKey: secret, Description: descriptionPrefix + c.ID, OwnerClientID: r.clientID, Type: license,
		Filters: webapi.Filters{SourceType: at.sources},
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
	row.state, row.webhookID, row.credential = registered, id, c
	return r.note(ctx, c, id)
}

// spare finds a secret that an earlier run kept for an action, and that no webhook has: the run ended before LiveChat
// answered, and LiveChat knows nothing of it.
func (r *registrar) spare(action string) (store.Credential, string) {
	for _, c := range r.account.Credentials {
		if c.Kind == store.LiveChatKey && c.Name == action && c.WebhookID == "" && c.RotatedAt.IsZero() && c.ExpiresAt.IsZero() {
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

// save keeps credentials in the store and in the account as it is known here.
func (r *registrar) save(ctx context.Context, changed ...store.Credential) error {
	a := r.account
	a.Credentials = changed
	if err := r.db.SaveAccount(ctx, a); err != nil {
		return fmt.Errorf("keep the webhook's secret: %w", err)
	}
	for _, c := range changed {
		is := func(known store.Credential) bool { return known.ID == c.ID }
		r.account.Credentials = append(slices.DeleteFunc(r.account.Credentials, is), c)
	}
	return nil
}

// newSecretKey makes 256 random bits of text.
func newSecretKey() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (r *registrar) print(std settings.Streams) error {
	table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACTION\tWEBHOOK\tSTATE")
	for _, row := range r.rows {
		fmt.Fprintf(table, "%s\t%s\t%s\n", row.Name, account.Shown(row.webhookID), row.state)
	}
	return table.Flush()
}

// enable turns the webhooks on for the token's licence, unless they are.
func (r *registrar) enable(ctx context.Context, std settings.Streams) error {
	on, err := r.api.Enabled(ctx, r.clientID)
	if err == nil && !on {
		err = r.api.Enable(ctx, r.clientID)
	}
	if err != nil {
		return fmt.Errorf("the webhooks are registered, but it is not certain that they are turned on for the licence: %w", err)
	}
	fmt.Fprintln(std.Err, "Their secret is in the store, sealed. LiveChat begins to post within 2 minutes.")
	return nil
}
