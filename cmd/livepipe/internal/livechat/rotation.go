package livechat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/account"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/store"
)

// rotation puts new webhooks in the place of those that register made. How far it is stands in the store and at LiveChat: a
// secret that has to go is marked as rotated before the first new webhook is made. So a run that finds such marks goes on
// with them, and one that finds none begins.
type rotation struct {
	registrar
	changes []replacement
}

// replacement is what becomes of the webhooks of one action and URL.
type replacement struct {
	webhookRow // the new one
	target
	old []oldWebhook
}

// oldWebhook is one that has to go.
type oldWebhook struct {
	id         string
	credential store.Credential
	gone       bool
}

// look finds what has to be done. An error says what has to be done first; nothing is changed.
func (r *rotation) look(ctx context.Context) error {
	all, err := r.api.Webhooks(ctx, r.clientID)
	if err != nil {
		return err
	}
	underWay := slices.ContainsFunc(all, func(w webapi.Webhook) bool {
		c, ours := r.madeWith(w)
		return ours && !c.RotatedAt.IsZero()
	})
	for _, w := range all {
		if c, ours := r.madeWith(w); ours {
			r.find(w).take(w, c, !underWay || !c.RotatedAt.IsZero())
		}
	}
	if len(r.changes) == 0 {
		return errors.New("the app has no webhook that livepipe livechat register made for this account (see livepipe livechat list)")
	}
	return r.full(all)
}

// madeWith is the credential with which register made a webhook for this account.
func (r *rotation) madeWith(w webapi.Webhook) (store.Credential, bool) {
	id, ours := strings.CutPrefix(w.Description, descriptionPrefix)
	i := slices.IndexFunc(r.account.Credentials, func(c store.Credential) bool { return c.Kind == store.LiveChatKey && c.ID == id })
	if !ours || w.Type != license || i < 0 {
		return store.Credential{}, false
	}
	return r.account.Credentials[i], true
}

// find gives what becomes of a webhook's action and URL.
func (r *rotation) find(w webapi.Webhook) *replacement {
	i := slices.IndexFunc(r.changes, func(c replacement) bool { return c.Name == w.Action && c.url == w.URL })
	if i < 0 {
		action := webapi.Action{Name: w.Action}
		for _, a := range webapi.Actions() {
			if a.Name == w.Action {
				action = a
			}
		}
		i = len(r.changes)
		r.changes = append(r.changes, replacement{
			webhookRow: webhookRow{Action: action, state: missing}, target: target{url: w.URL, sources: w.Filters.SourceType},
		})
	}
	return &r.changes[i]
}

// take notes one of the webhooks.
func (c *replacement) take(w webapi.Webhook, credential store.Credential, old bool) {
	if old {
		c.old = append(c.old, oldWebhook{id: w.ID, credential: credential})
	} else {
		c.state, c.webhookID, c.credential = there, w.ID, credential
	}
}

// full finds the actions of which LiveChat takes no new webhook while the old ones are there.
func (r *rotation) full(all []webapi.Webhook) error {
	count := map[string]int{}
	for _, w := range all {
		count[w.Action]++
	}
	var full []string
	for _, c := range r.changes {
		if c.state == missing {
			if count[c.Name]++; count[c.Name] > webapi.MaxPerAction {
				full = append(full, c.Name)
			}
		}
	}
	if full == nil {
		return nil
	}
	return fmt.Errorf("LiveChat takes %d webhooks of an action, and a new one has to stand beside the old one: remove one first for %s (livepipe livechat list, unregister --id)",
		webapi.MaxPerAction, strings.Join(full, ", "))
}

// begin marks the secrets that have to go.
func (r *rotation) begin(ctx context.Context) error {
	var marked []store.Credential
	for i := range r.changes {
		for k := range r.changes[i].old {
			old := &r.changes[i].old[k]
			if old.credential.RotatedAt.IsZero() {
				old.credential.RotatedAt = time.Now()
			}
			old.credential.WebhookID = old.id
			marked = append(marked, old.credential)
		}
	}
	return r.save(ctx, marked...)
}

// renew registers the new webhooks, all with one new secret.
func (r *rotation) renew(ctx context.Context) error {
	secret := newSecretKey()
	for i := range r.changes {
		c := &r.changes[i]
		var err error
		switch {
		case c.state == missing:
			err = r.one(ctx, &c.webhookRow, c.target, secret)
		case c.credential.WebhookID != c.webhookID: // a run ended between LiveChat's answer and the store's
			err = r.note(ctx, c.credential, c.webhookID)
		}
		if err != nil {
			return fmt.Errorf("%w: %d of %d new webhooks are registered", err, i, len(r.changes))
		}
	}
	return nil
}

// retire removes the old webhooks. The end of their secret comes first: a run that ends in between leaves a webhook whose
// posts are refused, and they come through the new one as well.
func (r *rotation) retire(ctx context.Context) error {
	for i := range r.changes {
		for k := range r.changes[i].old {
			old := &r.changes[i].old[k]
			if err := expireSecret(context.WithoutCancel(ctx), r.db, old.id, time.Now().Add(afterlife)); err != nil {
				return err
			}
			if err := r.api.Unregister(ctx, r.clientID, old.id); err != nil {
				return err
			}
			old.gone = true
		}
	}
	return nil
}

// says is its state, for the table.
func (c replacement) says() string {
	left := slices.ContainsFunc(c.old, func(o oldWebhook) bool { return !o.gone })
	switch {
	case c.state == missing:
		return "to be replaced"
	case left:
		return "has its new secret, old one to be removed"
	case len(c.old) > 0:
		return "replaced"
	}
	return "has its new secret"
}

func (r *rotation) print(std settings.Streams) error {
	table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACTION\tOLD\tNEW\tSTATE")
	for _, c := range r.changes {
		var old []string
		for _, o := range c.old {
			old = append(old, o.id)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Name, account.Shown(strings.Join(old, " ")), account.Shown(c.webhookID), c.says())
	}
	return table.Flush()
}
