package livechat_test

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/messages"
)

var update = flag.Bool("update", false, "write the golden files anew")

// corpus is testdata/livechat/index.json: what LiveChat may send, in the order of a story that can be posted as it
// stands, and what comes of each body. It needs no Go to be used.
type corpus struct {
	WebhookID      string    `json:"webhook_id"`
	SecretKey      string    `json:"secret_key"`
	OrganizationID string    `json:"organization_id"`
	LicenseID      string    `json:"license_id"`  // of the bodies of 3.3 and older
	Identifier     string    `json:"identifier"`  // the tenant of the goldens
	ReceivedAt     time.Time `json:"received_at"` // of the goldens
	Bodies         []outcome `json:"bodies"`
}

// outcome is what comes of one body, on either receive path: 200 with "status":"ignored" when Ignored has a word.
type outcome struct {
	Body      string          `json:"body"` // a file beside the index; its golden is <body>.events.json
	Ignored   string          `json:"ignored,omitzero"`
	MessageID string          `json:"message_id,omitzero"` // of the answer
	AtReceipt bool            `json:"at_receipt,omitzero"` // ids hold the moment of receipt, so another run has others
	Repaired  map[string]int  `json:"repaired,omitzero"`
	Events    []messages.Type `json:"events,omitzero"`
}

// golden is one event of <body>.events.json; Unknown events are published only where somebody asks for them.
type golden struct {
	Type    messages.Type  `json:"type"`
	ID      string         `json:"id"`
	Unknown bool           `json:"unknown,omitzero"`
	Data    jsontext.Value `json:"data"`
}

const corpusDir = "testdata/livechat"

func readCorpus(t testing.TB) corpus {
	t.Helper()
	var c corpus
	if err := json.Unmarshal(readFile(t, "index.json"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpusDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeOn posts a body to the default action of a path.
func decodeOn(t testing.TB, path string, body []byte, at time.Time) (channels.Received, error) {
	t.Helper()
	for _, e := range livechat.Channel().Endpoints {
		if e.Path == path {
			return e.Actions[""].Decode(channels.Request{Identity: identity("org123", "user456", "lc-789"), Body: body, ReceivedAt: at})
		}
	}
	t.Fatalf("no path %s", path)
	return channels.Received{}, nil
}

// TestCorpus holds what becomes of everything that LiveChat documents, version by version.
func TestCorpus(t *testing.T) {
	c := readCorpus(t)
	was := pretty(t, c)
	for i := range c.Bodies {
		o := &c.Bodies[i]
		t.Run(strings.TrimSuffix(o.Body, ".json"), func(t *testing.T) {
			got, err := decodeOn(t, webhook, readFile(t, o.Body), c.ReceivedAt)
			if err != nil {
				t.Fatal(err)
			}
			later, err := decodeOn(t, livePath, readFile(t, o.Body), c.ReceivedAt.Add(24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			*o = outcomeOf(t, o.Body, got, later)
			events := []golden{}
			for _, e := range got.Events {
				events = append(events, goldenOf(t, e, false, c.ReceivedAt))
			}
			if got.Unknown != nil {
				events = append(events, goldenOf(t, got.Unknown, true, c.ReceivedAt))
			}
			wantFile(t, strings.TrimSuffix(o.Body, ".json")+".events.json", pretty(t, events))
		})
	}
	if *update {
		was = pretty(t, c)
		wantFile(t, "index.json", was)
	}
	if diff := cmp.Diff(was, pretty(t, c)); diff != "" {
		t.Errorf("index.json (-was +is):\n%s", diff)
	}
}

func outcomeOf(t *testing.T, body string, got, later channels.Received) outcome {
	t.Helper()
	o := outcome{Body: body, Ignored: got.Ignored, Repaired: got.Repaired}
	for i, e := range got.Events {
		o.Events = append(o.Events, e.Type())
		o.AtReceipt = o.AtReceipt || eventID(e) != eventID(later.Events[i])
	}
	var first, second struct {
		Status    string `json:"status"`
		MessageID string `json:"messageId"`
		QueuedAt  string `json:"queuedAt"`
	}
	reply(t, got, &first)
	reply(t, later, &second)
	o.MessageID = first.MessageID
	wantFirst, wantSecond, wantQueued := "received", "processed", "2026-03-20T12:00:01.000Z"
	if o.Ignored != "" {
		wantFirst, wantSecond, wantQueued = "ignored", "ignored", ""
	}
	if first.Status != wantFirst || second.Status != wantSecond || second.QueuedAt != wantQueued {
		t.Errorf("answers %+v and %+v", first, second)
	}
	if !o.AtReceipt && second.MessageID != first.MessageID {
		t.Errorf("the paths answer %q and %q", first.MessageID, second.MessageID)
	}
	if (o.Ignored != "") != (len(got.Events) == 0) || (o.Ignored != "") != (got.Unknown != nil) {
		t.Errorf("ignored %q with %d events and %v", o.Ignored, len(got.Events), got.Unknown)
	}
	return o
}

func reply(t testing.TB, got channels.Received, into any) {
	t.Helper()
	b, err := json.Marshal(got.Reply(time.Date(2026, 3, 20, 12, 0, 1, 0, time.UTC)))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func eventID(e messages.Event) string { return messages.EventID(e.From(), e.Type(), e.Key()...) }

func goldenOf(t *testing.T, e messages.Event, unknown bool, at time.Time) golden {
	t.Helper()
	env, err := messages.Seal(e, at, "")
	if err != nil {
		t.Fatal(err)
	}
	return golden{env.Type, env.ID, unknown, env.Data}
}

func pretty(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.Multiline(true), jsontext.WithIndent("  "))
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func wantFile(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join(corpusDir, name), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, name)), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestCorpusIsWhole holds that no body lies beside the index, and that each version has a body of each of its actions.
func TestCorpusIsWhole(t *testing.T) {
	c := readCorpus(t)
	listed := map[string]bool{}
	actions := map[string]map[string]bool{}
	for _, o := range c.Bodies {
		listed[o.Body] = true
		var body struct {
			Action jsontext.Value `json:"action"`
		}
		if err := json.Unmarshal(readFile(t, o.Body), &body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
			t.Errorf("%s: %v", o.Body, err)
		}
		version := filepath.Dir(o.Body)
		if actions[version] == nil {
			actions[version] = map[string]bool{}
		}
		actions[version][strings.Trim(string(body.Action), `"`)] = true
	}
	err := filepath.WalkDir(corpusDir, func(path string, _ fs.DirEntry, err error) error {
		name, _ := filepath.Rel(corpusDir, path)
		if strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".events.json") && name != "index.json" && !listed[name] {
			t.Errorf("%s is not in the index", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range documented() {
		for _, action := range want {
			if !actions[version][action] {
				t.Errorf("%s: no body of %s", version, action)
			}
		}
		if more := len(actions[version]) - len(want); more != 0 {
			t.Errorf("%s: %d actions that the version does not have: %v", version, more, slices.Sorted(maps.Keys(actions[version])))
		}
	}
}

// documented lists the actions of each version (https://platform.text.com/docs/management/webhooks/ and its siblings
// for older versions).
func documented() map[string][]string {
	all := []string{
		"incoming_chat", "chat_deactivated", "chat_transferred", "user_added_to_chat", "user_removed_from_chat",
		"incoming_event", "event_updated", "incoming_rich_message_postback",
		"chat_properties_updated", "chat_properties_deleted", "thread_properties_updated", "thread_properties_deleted",
		"event_properties_updated", "event_properties_deleted", "thread_tagged", "thread_untagged",
		"routing_status_set", "customer_session_fields_updated", "events_marked_as_seen", "agent_deleted",
	}
	configuration := []string{
		"chat_access_updated", "agent_created", "agent_approved", "agent_updated", "agent_suspended", "agent_unsuspended",
		"bot_created", "bot_updated", "bot_deleted", "group_created", "group_updated", "group_deleted",
	}
	tags := []string{"auto_accesses_updated", "tag_created", "tag_updated", "tag_deleted"}
	newest := slices.Concat(all, configuration, tags, []string{"event_deleted", "thread_summary_set"})
	return map[string][]string{
		"v3.3": slices.Concat(all, []string{"chat_access_granted", "chat_access_revoked", "incoming_customer"}),
		"v3.4": slices.Concat(all, configuration, []string{"auto_access_added", "auto_access_updated", "auto_access_deleted", "incoming_customer"}),
		"v3.5": slices.Concat(all, configuration, tags, []string{"incoming_customer"}),
		"v3.6": newest,
		"v3.7": newest,
	}
}
