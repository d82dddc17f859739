package ingress_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	owlPath  = "/owls/org123~lc-789" // whose bodies say who sends them
	owlsPath = "/owls"               // the same without an identifier
	tower    = "organization-of-the-tower"
)

// owlBody is what an owl carries.
type owlBody struct {
	Secret string `json:"secret,omitzero"`
	Tower  string `json:"tower,omitzero"`
	Hook   string `json:"hook,omitzero"`
	Note   string `json:"note"`
	Does   string `json:"does,omitzero"` // "": it brings a note; "hoot"; or a messages.Change
	Former bool   `json:"former,omitzero"`
	Mute   bool   `json:"mute,omitzero"` // never has a secret
}

// owl is a provider that puts its credentials into the body.
func owl() channels.Channel {
	actions := map[string]channels.Action{
		"":     {Service: channels.Receive, Decode: perch},
		"look": {Service: channels.FetchMessages},
		"lift": {Service: channels.UploadMedia},
	}
	return channels.Channel{
		Name:      "owl",
		Identify:  pigeon().Identify,
		Endpoints: []channels.Endpoint{{Path: "/owls/:identifier", Actions: actions}, {Path: owlsPath, Actions: actions}},
		Credentials: func(body []byte) channels.Credentials {
			var said owlBody
			_ = json.Unmarshal(body, &said)
			return channels.Credentials{Secret: said.Secret, Organization: said.Tower, Webhook: said.Hook, Former: said.Former, Unsigned: said.Mute}
		},
	}
}

func perch(r channels.Request) (channels.Received, error) {
	var body owlBody
	if err := channels.DecodeStrict(r.Body, &body); err != nil {
		return channels.Received{}, err
	}
	origin := messages.Origin{Channel: "owl", Chat: messages.Chat{Tenant: r.Identity.Tenant, ChatID: "chat_abc123"}, User: r.Identity.User}
	got := channels.Received{Reply: func(time.Time) any { return map[string]string{"perched": body.Note} }}
	switch body.Does {
	case "":
		got.Events = []messages.Event{messages.MessageReceived{Origin: origin, Message: messages.Message{
			ID: body.Note, Type: messages.MessageText, Text: &body.Note, CreatedAt: "2024-01-15T10:30:00Z",
			Author: messages.Author{ID: "o", Type: "owl"},
		}}}
	case "hoot":
		got.Ignored, got.Repaired = "hoot", map[string]int{"feather": 3, "beak": 0}
		got.Unknown = messages.UnknownReceived{Origin: origin, Action: "hoot", Revision: "r"}
	default:
		got.Events = []messages.Event{messages.ConversationUpdated{Origin: origin, Change: messages.Change(body.Does)}}
	}
	return got, nil
}

// newOwlWorld is a world that wants accounts and has one, of organization tower, with a credential of each kind: "token",
// "secret" and signingSecret.
func newOwlWorld(t testing.TB, change ...func(*world)) *world {
	t.Helper()
	w := newWorld(t, append([]func(*world){func(w *world) {
		w.config.Access = "accounts"
		w.deps.Channels = append(w.deps.Channels, owl())
	}}, change...)...)
	w.save(store.Account{Tenant: tenant, OrganizationID: tower})
	w.credential(tenant, store.BearerToken, "token")
	w.credential(tenant, store.LiveChatKey, "secret")
	w.credential(tenant, store.SigningSecret, signingSecret)
	return w
}

// says makes the body of an owl.
func says(body owlBody) string {
	if body.Note == "" {
		body.Note = "hoo"
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// withToken is the header of a token.
func withToken(token string) []string { return []string{"Authorization", "Bearer " + token} }

// org is an identifier's path of another tenant.
func owlPathOf(tenant messages.Tenant) string {
	return strings.Join([]string{"/owls/", tenant.Org, "~", tenant.LiveChat}, "")
}
