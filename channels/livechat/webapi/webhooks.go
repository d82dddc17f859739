package webapi

import (
	"context"
	"errors"
	"slices"
)

// Webhook is one registration: one action that is posted to one URL.
type Webhook struct {
	ID          string  `json:"id"`
	Action      string  `json:"action"`
	URL         string  `json:"url"`
	Description string  `json:"description"`
	Type        string  `json:"type"` // "license" or "bot"
	Filters     Filters `json:"filters"`
}

// Registration asks for a webhook. Description must be unique among those of the client: by it a registration is found
// again whose answer was lost.
type Registration struct {
	Action         string   `json:"action"`
	URL            string   `json:"url"` // 500 characters at most
	SecretKey      string   `json:"secret_key"`
	Description    string   `json:"description"`
	OwnerClientID  string   `json:"owner_client_id"`
	Type           string   `json:"type"`
	AdditionalData []string `json:"additional_data,omitempty"`
	Filters        Filters  `json:"filters,omitzero"`
}

// Filters say which webhooks are sent.
type Filters struct {
	SourceType []string `json:"source_type,omitempty"` // "my_client", "other_clients", "system"
}

// The limits of a registration (Configuration API, "Register Webhook").
const (
	MaxURL       = 500 // characters
	MaxPerAction = 3   // webhooks for each action and client id
)

const configuration = "configuration"

type owner struct {
	OwnerClientID string `json:"owner_client_id"`
}

// Webhooks lists the registrations of a client id. LiveChat never shows their secrets.
func (c *Client) Webhooks(ctx context.Context, clientID string) ([]Webhook, error) {
	var all []Webhook
	err := c.call(ctx, configuration, "list_webhooks", owner{clientID}, &all)
	return all, err
}

// Register makes a webhook and gives its id. It is made once, also when an answer gets lost and the call is repeated.
// See Undone for what an error means.
func (c *Client) Register(ctx context.Context, r Registration) (id string, err error) {
	c.hidden = append(c.hidden, r.SecretKey)
	lost := false
	id, err = retry(ctx, c, func() (string, error) {
		if lost {
			var all []Webhook
			if err := c.once(ctx, configuration, "list_webhooks", owner{r.OwnerClientID}, &all); err != nil {
				return "", err
			}
			if i := slices.IndexFunc(all, func(w Webhook) bool { return w.Description == r.Description }); i >= 0 {
				return all[i].ID, nil
			}
		}
		var made struct {
			ID string `json:"id"`
		}
		err := c.once(ctx, configuration, "register_webhook", r, &made)
		if err == nil && made.ID == "" {
			err = errors.New("LiveChat answered register_webhook without an id")
		}
		lost = lost || err != nil && !Undone(err)
		return made.ID, err
	})
	if err != nil && lost {
		err = uncertainError{err}
	}
	return id, err
}

// Unregister removes a webhook.
func (c *Client) Unregister(ctx context.Context, clientID, id string) error {
	lost := false
	_, err := retry(ctx, c, func() (struct{}, error) {
		err := c.once(ctx, configuration, "unregister_webhook", struct {
			ID string `json:"id"`
			owner
		}{id, owner{clientID}}, nil)
		var refused *Error
		if lost && errors.As(err, &refused) && refused.Type == notFound {
			return struct{}{}, nil // by the call whose answer was lost
		}
		lost = lost || err != nil && !Undone(err)
		return struct{}{}, err
	})
	return err
}

// Enabled reports whether the client's licence webhooks are sent for the token's licence.
func (c *Client) Enabled(ctx context.Context, clientID string) (bool, error) {
	var state struct {
		Enabled bool `json:"license_webhooks_enabled"`
	}
	err := c.call(ctx, configuration, "get_license_webhooks_state", owner{clientID}, &state)
	return state.Enabled, err
}

// Enable turns the client's licence webhooks on.
func (c *Client) Enable(ctx context.Context, clientID string) error {
	return c.call(ctx, configuration, "enable_license_webhooks", owner{clientID}, nil)
}
