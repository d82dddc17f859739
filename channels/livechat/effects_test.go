package livechat_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// TestAnswersNameAMessageOnlyWhereThereIsOne holds the exact answers of both paths.
func TestAnswersNameAMessageOnlyWhereThereIsOne(t *testing.T) {
	opened := hook("incoming_chat", `{"chat":{"id":"c","thread":{"id":"t","events":[{"id":"e","type":"message"}]}}}`)
	message := hook("incoming_event", `{"chat_id":"c","event":{"id":"e","type":"message"}}`)
	tests := []struct{ path, body, want string }{
		{webhook, message, `{"status":"received","messageId":"e"}`},
		{openPath, message, `{"status":"received","messageId":"e"}`},
		{livePath, message, `{"status":"processed","messageId":"e","queuedAt":"2026-03-20T12:00:00.000Z"}`},
		{webhook, opened, `{"status":"received"}`},
		{livePath, opened, `{"status":"processed","queuedAt":"2026-03-20T12:00:00.000Z"}`},
		{livePath, hook("event_deleted", `{"chat_id":"c","event_id":"e"}`), `{"status":"processed","messageId":"e","queuedAt":"2026-03-20T12:00:00.000Z"}`},
		{livePath, hook("nobody_knows", `{}`), `{"status":"ignored"}`},
	}
	for _, test := range tests {
		got, err := decodeOn(t, test.path, []byte(test.body), noon)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := json.Marshal(got.Reply(noon))
		if err != nil || string(reply) != test.want {
			t.Errorf("%s: %s, %v, want %s", test.path, reply, err, test.want)
		}
	}
}

// TestIDsThatNoKeyCanHold holds that an action with one of them is ignored, whichever of its ids it is.
func TestIDsThatNoKeyCanHold(t *testing.T) {
	payloads := map[string]string{
		"incoming_event":                 `{"chat_id":"$","thread_id":"$","event":{"id":"$","type":"message","author_id":"$"}}`,
		"event_updated":                  `{"chat_id":"$","event":{"id":"$","type":"message","author_id":"$"}}`,
		"event_deleted":                  `{"chat_id":"$","event_id":"$"}`,
		"incoming_rich_message_postback": `{"chat_id":"$","thread_id":"$","event_id":"$","user_id":"$","postback":{"id":"$"}}`,
		"events_marked_as_seen":          `{"chat_id":"$","user_id":"$","seen_up_to":"2026-03-20T09:00:00Z"}`,
		"chat_deactivated":               `{"chat_id":"$","thread_id":"$","user_id":"$"}`,
		"chat_transferred":               `{"chat_id":"$","thread_id":"$","requester_id":"$"}`,
		"user_added_to_chat":             `{"chat_id":"$","thread_id":"$","user":{"id":"$"},"requester_id":"$"}`,
		"user_removed_from_chat":         `{"chat_id":"$","thread_id":"$","user_id":"$","requester_id":"$"}`,
		"event_properties_updated":       `{"chat_id":"$","thread_id":"$","event_id":"$"}`,
		"chat_access_updated":            `{"id":"$"}`,
		"incoming_chat":                  `{"chat":{"id":"$","thread":{"id":"$"}}}`,
		"group_created":                  `{"id":"$"}`,
		"routing_status_set":             `{"agent_id":"$"}`,
	}
	for action, payload := range payloads {
		for i := range strings.Count(payload, "$") {
			for _, bad := range []string{strings.Repeat("x", 257), `a\nb`} {
				body := hook(action, fill(payload, i, bad))
				if got := result(decodeOn(t, webhook, []byte(body), noon)); got != "malformed" {
					t.Errorf("%s, id %d as %.5q: %s", action, i, bad, got)
				}
			}
		}
		whole := hook(action, fill(payload, -1, ""))
		if got := result(decodeOn(t, webhook, []byte(whole), noon)); got != "events" {
			t.Errorf("%s: %s", action, got)
		}
	}
}

// fill puts an id of the greatest length for each $, and bad for the one at the place.
func fill(payload string, place int, bad string) string {
	parts := strings.Split(payload, "$")
	for i := range parts[:len(parts)-1] {
		if i == place {
			parts[i] += bad
		} else {
			parts[i] += strings.Repeat("x", 256)
		}
	}
	return strings.Join(parts, "")
}

// TestWhatIsToldOfTheUnknown holds the bounds of an action's name and that no credential is among the details.
func TestWhatIsToldOfTheUnknown(t *testing.T) {
	body := hook(`\u0007\nnew `+strings.Repeat("é", 40), `{"a":{"Webhook_ID":"w","client_secret":1,"visit":{},"b":[{"accessToken":"t","kept":1e2}]}}`)
	got, err := decodeOn(t, webhook, []byte(body), noon)
	if err != nil {
		t.Fatal(err)
	}
	unknown := got.Unknown.(messages.UnknownReceived)
	if diff := cmp.Diff("new "+strings.Repeat("é", 30), unknown.Action); diff != "" {
		t.Errorf("action (-want +got):\n%s", diff)
	}
	if string(unknown.Details) != `{"a":{"b":[{"kept":1e2}]}}` {
		t.Errorf("details %s", unknown.Details)
	}
}

// TestUnknownsThatMayBeNotesAreInternal: nobody knows the shape of such a body, so whatever a person may have written is
// internal unless the body says that all may see it.
func TestUnknownsThatMayBeNotesAreInternal(t *testing.T) {
	const event = `"event":{"id":"e","type":"message","text":"x"`
	v2 := func(rest string) string {
		return `{"event_type":"chat_ended","token":"t","license_id":"1","chat":{"messages":[{"user_type":"agent","text":"x"}` + rest + `]}}`
	}
	tests := map[string]struct {
		body string
		want bool
	}{
		"malformed, for agents":             {hook("incoming_event", `{`+event+`,"visibility":"agents"}}`), true},
		"malformed, for agents before 3.4":  {hook("incoming_event", `{`+event+`,"recipients":"agents"}}`), true},
		"malformed, for all":                {hook("incoming_event", `{`+event+`,"visibility":"all"}}`), false},
		"malformed, for all in capitals":    {hook("incoming_event", `{`+event+`,"visibility":"ALL"}}`), false},
		"malformed, for all before 3.4":     {hook("incoming_event", `{`+event+`,"recipients":"\u0061ll"}}`), false},
		"malformed, for nobody knows whom":  {hook("incoming_event", `{`+event+`,"visibility":"supervisors"}}`), true},
		"malformed, of no readable word":    {hook("incoming_event", `{`+event+`,"visibility":["all"]}}`), true},
		"malformed, and not a word":         {hook("incoming_event", `{`+event+`}}`), true},
		"an edit, and not a word":           {hook("event_updated", `{`+event+`}}`), true},
		"a chat without an id, for all":     {hook("incoming_chat", `{"chat":{"thread":{"events":[{"id":"e","text":"x","visibility":"all"}]}}}`), false},
		"a chat without an id, one note":    {hook("incoming_chat", `{"chat":{"thread":{"events":[{"id":"e","visibility":"all"},{"id":"f","visibility":"agents"}]}}}`), true},
		"a chat without an id or events":    {hook("incoming_chat", `{"chat":{"thread":{"events":[]},"users":[{"id":"u"}]}}`), false},
		"properties of an event":            {hook("event_properties_updated", `{"event_id":"e","properties":{"a":{"translation":"x"}}}`), true},
		"a summary":                         {hook("thread_summary_set", `{"thread_id":"t","summary":{"text":"x"},"event":{"visibility":"all"}}`), true},
		"a summary that is a text":          {hook("thread_summarized", `{"summary":"x"}`), true},
		"a new action, for agents":          {hook("note_written", `{"deep":[[{"note":{"Visibility":"agents"}}]]}`), true},
		"a new action about an event":       {hook("event_reacted", `{"chat_id":"c","event_id":"e"}`), true},
		"a new action":                      {hook("chat_teleported", `{"chat_id":"c","to":"the moon"}`), false},
		"a new action that says nothing":    {hook("chat_teleported", `null`), false},
		"a member that no event holds":      {hook("chat_teleported", `{"secret":{"visibility":"agents"}}`), false},
		"version 2":                         {v2(``), false},
		"version 2 with a whisper":          {v2(`,{"user_type":"supervisor","text":"x"}`), true},
		"the lifecycle, whose event is one": {`{"applicationID":"a","event":"application_installed","payload":{}}`, false},
		"our own, a word that nobody knows": {`{"event_type":"note_added","note":{"visibility":"agents","text":"x"}}`, true},
	}
	for name, tt := range tests {
		got, err := decodeOn(t, webhook, []byte(tt.body), noon)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		unknown, ok := got.Unknown.(messages.UnknownReceived)
		if !ok || unknown.Internal != tt.want {
			t.Errorf("%s: internal %v, ignored %q", name, unknown.Internal, got.Ignored)
		}
	}
}
