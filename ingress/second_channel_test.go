package ingress_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// pigeon is a second provider: other paths, other identifiers, other words, several messages in one body.
func pigeon() channels.Channel {
	return channels.Channel{
		Name: "pigeon",
		Identify: func(segment string) (channels.Identity, error) {
			org, loft, ok := strings.Cut(segment, "~")
			if !ok {
				return channels.Identity{}, &channels.Invalid{Code: "no_such_loft", Field: "identifier", Detail: "The loft is not known."}
			}
			return channels.Identity{Tenant: messages.Tenant{Org: org, LiveChat: loft}}, nil
		},
		Endpoints: []channels.Endpoint{{Path: "/pigeons/:identifier", Actions: map[string]channels.Action{
			"":     {Service: channels.Receive, Decode: land},
			"look": {Service: channels.FetchMessages},
		}}},
	}
}

func land(r channels.Request) (channels.Received, error) {
	var body struct {
		Loft  string   `json:"loft"`
		Notes []string `json:"notes"`
	}
	if err := channels.DecodeStrict(r.Body, &body); err != nil {
		return channels.Received{}, err
	}
	got := channels.Received{Reply: func(time.Time) any { return map[string]int{"landed": len(body.Notes)} }}
	for _, note := range body.Notes {
		got.Events = append(got.Events, messages.MessageReceived{
			Origin: messages.Origin{Channel: "pigeon", Chat: messages.Chat{Tenant: r.Identity.Tenant, ChatID: body.Loft}},
			Message: messages.Message{
				ID: note, Type: messages.MessageText, Text: &note, CreatedAt: "2024-01-15T10:30:00Z",
				Author: messages.Author{ID: "p", Type: "pigeon"},
			},
		})
	}
	return got, nil
}

// TestASecondChannelTouchesNothing holds that a provider is one value: ingress serves it beside the first as it is.
func TestASecondChannelTouchesNothing(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Channels = append(w.deps.Channels, pigeon()) })
	got := w.post("/pigeons/org123~lc-789", `{"loft":"chat_abc123","notes":["coo","crr"]}`)
	if diff := cmp.Diff("{\"landed\":2}\n", got.body); diff != "" || len(w.bus.events()) != 2 {
		t.Fatalf("%d %s", got.status, diff)
	}
	look := w.post("/pigeons/org123~lc-789?action=look&chat_id=chat_abc123", "")
	if !strings.Contains(look.body, `"total":2`) {
		t.Errorf("%d %s", look.status, look.body)
	}
	wants(t, "nothing in it", w.post("/pigeons/a~b", `{"notes":[]}`), "200")
	wants(t, "its own identifiers", w.post("/pigeons/"+identifier, `{}`), "400 invalid_field identifier")
	wants(t, "its own actions", w.post("/pigeons/a~b?action=fetch_messages", `{}`), "400 unknown_action action")
	wants(t, "the first channel", w.post(livechatPath, spec(t, "message.request")), "200")
	if events := w.bus.events(); len(events) != 3 || !strings.HasPrefix(events[0].Source, "/pigeon/") {
		t.Errorf("%d events", len(events))
	}
}
