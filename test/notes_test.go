package test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// TestNotesAndUnknownsGoWhereTheyAreAskedFor: a note among agents reaches only the destination that asks for notes,
// whatever the rules say; what livepipe has no word for is answered, counted, and published only where a rule asks.
func TestNotesAndUnknownsGoWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	url, calls := destinations(t, func(_ *testing.T, env messages.Envelope) string {
		if received, err := messages.Open[messages.MessageReceived](env); err == nil {
			return received.Message.ID
		}
		return string(env.Type)
	})
	rules := func(unknown string) string {
		return writeFile(t, "routes.yaml", strings.ReplaceAll(`
destinations:
  plain: {type: webhook, url: "URL/plain", secret_env: CRM_SECRET}
  notes: {type: webhook, url: "URL/notes", secret_env: CRM_SECRET, internal: true}
rules:
  - {name: messages, when: 'type == "livechat.message.received.v1"', to: [plain, notes]}
`, "URL", url)+unknown+`
  - {name: rest, when: 'true', to: [drop]}
`)
	}
	all := readCorpus(t)
	at := stacks[0].open(t, []string{"LIVEPIPE_ROUTES=" + rules(""), "CRM_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	c := newClient("notes")
	c.licensed = nil
	at.addClients(c)
	ignored := []string{
		"v2/chat_started", "lifecycle/application_installed", "traps/unknown_action", "traps/unknown_action_long", "traps/malformed_no_chat",
	}
	tell := func(names ...string) {
		for _, b := range all.named(t, names...) {
			at.tell(t, "/livechat/:identifier", c, all, b, "Authorization", "Bearer "+c.token) // some have no secret
		}
	}
	// The note goes first: whoever gets the message after it was not given the note before. Both are of one conversation.
	tell(append(ignored, "v3.6/incoming_event-internal", "v3.6/incoming_event")...)
	var got []arrived
	next := func() arrived {
		select {
		case one := <-calls:
			return one
		case <-time.After(limit):
			t.Fatal("no call came")
			return arrived{}
		}
	}
	for range 3 {
		got = append(got, next())
	}
	slices.SortStableFunc(got, func(a, b arrived) int { return strings.Compare(a.to, b.to) })
	want := []arrived{{"/notes", "K36PKZON8A_15"}, {"/notes", "K36PKZON8A_5"}, {"/plain", "K36PKZON8A_5"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(arrived{})); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	_, _, metrics := get(t, at.ingress.Admin+"/metrics")
	for labels, n := range map[string]string{
		`action="chat_started",kind="v2"`: "1", `action="application_installed",kind="app_lifecycle"`: "1",
		`action="other",kind="unknown_action"`: "2", `action="incoming_event",kind="malformed"`: "1",
	} {
		if line := `livepipe_ingress_ignored_events_total{` + labels + `,route="/livechat/:identifier"} ` + n + "\n"; !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}

	at.restart("LIVEPIPE_ROUTES=" + rules(`  - {name: unknown, when: 'type == "livechat.unknown.v1"', to: [plain, notes]}`))
	tell(ignored...)
	count := map[arrived]int{}
	for range 2*len(ignored) - 1 {
		count[next()]++
	}
	// The malformed one is a message that does not say who may see it.
	if plain, notes := count[arrived{"/plain", "livechat.unknown.v1"}], count[arrived{"/notes", "livechat.unknown.v1"}]; plain != 4 || notes != 5 {
		t.Errorf("%d unknown to who did not ask for notes, %d to who did", plain, notes)
	}
}
