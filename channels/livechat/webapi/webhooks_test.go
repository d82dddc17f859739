package webapi_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/channels/livechat/webapi/standin"
)

// TestWebhooksLive a whole life: registered, listed, sent, removed.
func TestWebhooksLive(t *testing.T) {
	server, client, _ := open(t, quick)
	id, err := client.Register(t.Context(), registration("incoming_chat"))
	if err != nil {
		t.Fatal(err)
	}
	made := server.Webhooks()
	if len(made) != 1 || made[0].Secret != "a-secret-of-the-test" || !slices.Equal(made[0].SourceType, []string{"system"}) {
		t.Errorf("made %+v", made)
	}
	all, err := client.Webhooks(t.Context(), clientID)
	want := webapi.Webhook{
		ID: id, Action: "incoming_chat", URL: "https://hooks.example.com/webhooks/livechat", Description: "livepipe incoming_chat", Type: "license",
		Filters: webapi.Filters{SourceType: []string{"system"}},
	}
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("listed %+v, %v", all, err)
	}
	if err := client.Enable(t.Context(), clientID); err != nil {
		t.Fatal(err)
	}
	if on, err := client.Enabled(t.Context(), clientID); !on || err != nil {
		t.Errorf("enabled %v, %v", on, err)
	}
	if err := client.Unregister(t.Context(), clientID, id); err != nil || len(server.Webhooks()) != 0 {
		t.Errorf("unregister: %v, left %v", err, server.Webhooks())
	}
	if err := client.Unregister(t.Context(), clientID, id); !webapi.Undone(err) {
		t.Errorf("unregister again: %v", err)
	}
}

// TestLostAnswers: a call whose answer is lost has its effect once.
func TestLostAnswers(t *testing.T) {
	server, client, _ := open(t, quick)
	if _, err := client.Enabled(t.Context(), clientID); err != nil { // the server is known to be there
		t.Fatal(err)
	}
	server.Break("register_webhook", standin.Fault{Done: true, HangUp: true})
	id, err := client.Register(t.Context(), registration("incoming_chat"))
	if made := server.Webhooks(); err != nil || len(made) != 1 || made[0].ID != id {
		t.Fatalf("registered %q, %v, there are %v", id, err, made)
	}
	server.Break("register_webhook", standin.Fault{Status: 503, Type: "service_unavailable"})
	if _, err := client.Register(t.Context(), registration("incoming_event")); err != nil || len(server.Webhooks()) != 2 {
		t.Errorf("after a call that was not done: %v, there are %v", err, server.Webhooks())
	}
	server.Break("unregister_webhook", standin.Fault{Done: true, HangUp: true})
	if err := client.Unregister(t.Context(), clientID, id); err != nil || len(server.Webhooks()) != 1 {
		t.Errorf("unregister: %v, there are %v", err, server.Webhooks())
	}
}

// TestUndone tells a registration that was refused from one that may be there.
func TestUndone(t *testing.T) {
	server, client, _ := open(t, quick)
	server.Break("register_webhook", standin.Fault{Status: 400, Type: "validation"})
	if _, err := client.Register(t.Context(), registration("incoming_chat")); !webapi.Undone(err) {
		t.Errorf("refused: %v", err)
	}
	server.Break("register_webhook", standin.Fault{Status: 500, Type: "internal", Done: true})
	server.Break("list_webhooks", standin.Fault{Status: 403, Type: "authorization"})
	if _, err := client.Register(t.Context(), registration("incoming_chat")); err == nil || webapi.Undone(err) {
		t.Errorf("made, and then refused a look: %v", err)
	}
}

// TestEveryActionIsTaken: the names are LiveChat's, each once.
func TestEveryActionIsTaken(t *testing.T) {
	server, client, _ := open(t, quick)
	for _, a := range webapi.Actions() {
		if _, err := client.Register(t.Context(), registration(a.Name)); err != nil && a.Name != "agent_deleted" {
			t.Errorf("%s: %v", a.Name, err)
		}
	}
	if n := len(server.Webhooks()); n != 37 { // all 38 but agent_deleted, which takes no additional data
		t.Errorf("%d webhooks, want 37", n)
	}
}
