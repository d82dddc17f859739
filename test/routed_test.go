package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// arrived is one event as a destination got it: its kind, whom it names as its author, and where it went.
type arrived struct{ to, what string }

// destinations is a server of two destinations: /plain, and /notes, which asks for internal notes. What says what came.
func destinations(t *testing.T, what func(*testing.T, messages.Envelope) string) (url string, calls <-chan arrived) {
	all := make(chan arrived, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		env, err := messages.ParseEnvelope(body)
		if err != nil {
			t.Error(err)
			return
		}
		all <- arrived{r.URL.Path, what(t, env)}
	}))
	t.Cleanup(server.Close)
	return server.URL, all
}

func describe(t *testing.T, env messages.Envelope) string {
	var data struct {
		Change    string           `json:"change"`
		MessageID string           `json:"message_id"`
		Action    string           `json:"action"`
		Message   messages.Message `json:"message"`
	}
	if err := json.Unmarshal(env.Data, &data); err != nil {
		t.Error(err)
	}
	what := strings.TrimSuffix(strings.TrimPrefix(string(env.Type), "livechat."), ".v1")
	for _, part := range []string{data.Change, data.Action, data.MessageID, data.Message.ID, data.Message.Author.Type} {
		if part != "" {
			what += " " + part
		}
	}
	if data.Message.AuthorGuessed {
		what += " guessed"
	}
	return what
}

// TestWhatReachesDestinations: whatever holds or may hold what agents wrote among themselves, in whichever form, reaches
// only who asked for it; and everybody's author is whom the chat's people know, not whom an id looks like.
func TestWhatReachesDestinations(t *testing.T) {
	t.Parallel()
	url, calls := destinations(t, describe)
	rules := writeFile(t, "routes.yaml", strings.ReplaceAll(`
destinations:
  plain: {type: webhook, url: "URL/plain", secret_env: CRM_SECRET}
  notes: {type: webhook, url: "URL/notes", secret_env: CRM_SECRET, internal: true}
rules:
  - {name: bots, when: 'author.type == "bot" and not author.guessed', to: [drop]}
  - {name: all, when: 'type == "livechat.unknown.v1" or true', to: [plain, notes]}
`, "URL", url))
	at := stacks[0].open(t, []string{"LIVEPIPE_ROUTES=" + rules, "CRM_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	c := newClient("routed")
	at.addClients(c)
	tell := func(action, payload string) {
		t.Helper()
		body := fmt.Sprintf(`{"webhook_id":"w","secret_key":%q,"organization_id":%q,"action":%q,"payload":%s}`, c.secret, c.organization, action, payload)
		if status, answer := post(t, at.ingress.URL+"/livechat/"+c.identifier(), body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", action, status, answer)
		}
	}
	// Routing looks into history, which is another worker: the story goes on when history knows what it is about.
	known := func(words string) {
		t.Helper()
		eventually(t, "history knows "+words, func() bool {
			_, page := at.fetch(t, c, "CHAT")
			return strings.Contains(page, words)
		})
	}
	const hex, uuid, stranger = "0123456789abcdef0123456789abcdef", "7c1a0d52-44f5-4d3e-8a3e-0f4b6a2f9caa", "fedcba9876543210fedcba9876543210"
	wrote := func(id, author, visibility string) string {
		return fmt.Sprintf(`{"chat_id":"CHAT","event":{"id":%q,"type":"message","text":"x","author_id":%q,"visibility":%q}}`, id, author, visibility)
	}
	tell("incoming_chat", `{"chat":{"id":"CHAT","users":[{"id":"`+hex+`","type":"customer"},{"id":"`+uuid+`","type":"agent"}],"thread":{"id":"T"}}}`)
	known(`"total":0`)
	tell("incoming_event", wrote("by_customer", hex, "all"))
	tell("incoming_event", wrote("by_agent", uuid, "all"))
	tell("incoming_event", wrote("by_stranger", stranger, "all"))
	tell("incoming_event", wrote("note", uuid, "agents"))
	known(`"note"`)
	const translation = `","properties":{"translator":{"text":"x"}}}`
	for _, id := range []string{"note", "unseen", "by_customer"} {
		tell("event_properties_updated", `{"chat_id":"CHAT","event_id":"`+id+translation)
	}
	tell("thread_summary_set", `{"chat_id":"CHAT","thread_id":"T","summary":{"text":"x"}}`)
	tell("event_deleted", `{"chat_id":"CHAT","event_id":"note"}`)
	tell("event_deleted", `{"chat_id":"CHAT","event_id":"by_stranger"}`)
	tell("incoming_event", strings.Replace(wrote("no_chat", uuid, "agents"), "chat_id", "chat", 1))
	tell("note_written", `{"note":{"visibility":"agents","text":"x"}}`)
	// Of one lane the last comes last; what nobody knows has a lane of its own.
	tell("chat_beamed", `{"last":true}`)
	tell("incoming_event", wrote("last", "ines@example.com", "all"))

	got := map[string][]string{}
	for ends := 0; ends < 4; {
		select {
		case one := <-calls:
			got[one.to] = append(got[one.to], one.what)
			if strings.Contains(one.what, " last") || strings.Contains(one.what, "beamed") {
				ends++
			}
		case <-time.After(limit):
			t.Fatalf("the last events did not come, but %v", got)
		}
	}
	open := []string{
		"conversation.updated chat_opened",
		"conversation.updated message_properties_updated by_customer",
		"message.deleted by_stranger",
		"message.received by_agent agent",
		"message.received by_customer visitor",
		"message.received by_stranger bot guessed",
		"message.received last agent guessed",
		"unknown chat_beamed",
	}
	internal := []string{
		"conversation.updated message_properties_updated note",
		"conversation.updated message_properties_updated unseen",
		"conversation.updated thread_summary_set",
		"message.deleted note",
		"message.received note agent",
		"unknown incoming_event",
		"unknown note_written",
	}
	want := map[string][]string{"/plain": open, "/notes": slices.Concat(open, internal)}
	for _, list := range []map[string][]string{got, want} {
		for to := range list {
			slices.Sort(list[to])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
