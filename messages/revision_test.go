package messages_test

import (
	"strings"
	"testing"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// edge is where a window of revisions begins.
var edge = time.Date(2024, 1, 15, 10, 31, 30, 0, time.UTC)

func TestRevision(t *testing.T) {
	const payload = `{"a":1,"b":[true,"x"]}`
	first := messages.Revision([]byte(payload), edge)
	if content, window, _ := strings.Cut(first, "."); len(content) != 26 || window != "18947941" {
		t.Errorf("%s: want 26 characters of the content, and the window 1705314690/90", first)
	}
	tests := map[string]struct {
		payload string
		at      time.Time
		same    bool
	}{
		"another order and spaces":  {`{ "b" : [true, "x"], "a" : 1 }`, edge, true},
		"the end of the window":     {payload, edge.Add(90*time.Second - 1), true},
		"in another zone":           {payload, edge.In(time.FixedZone("", 5*3600+1800)), true},
		"the next window":           {payload, edge.Add(90 * time.Second), false},
		"the window before":         {payload, edge.Add(-1), false},
		"other content":             {`{"a":1,"b":[true,"y"]}`, edge, false},
		"content that is no number": {`{"a":1e999,"b":[true,"x"]}`, edge, false},
	}
	for name, test := range tests {
		if got := messages.Revision([]byte(test.payload), test.at) == first; got != test.same {
			t.Errorf("%s: the same revision: %v", name, got)
		}
	}
}

// changes are the events that a revision tells apart, as they come with a payload at a moment.
func changes(payload string, at time.Time) map[string]messages.Event {
	revision := messages.Revision([]byte(payload), at)
	pressed := messages.Message{
		ID: messages.PostbackID("msg_1", "visitor_1", revision), Type: messages.MessagePostback,
		Content: &messages.Content{Postback: &messages.Postback{ID: "yes", MessageID: "msg_1"}},
		Author:  messages.Author{ID: "visitor_1"}, CreatedAt: at.Format(time.RFC3339),
	}
	return map[string]messages.Event{
		"postback":     messages.MessageReceived{Origin: origin(), Message: pressed, Revision: revision},
		"edit":         messages.MessageUpdated{Origin: origin(), Message: received().Message, Revision: revision},
		"conversation": messages.ConversationUpdated{Origin: origin(), Change: messages.ThreadTagged, ThreadID: "t", Revision: revision},
		"account":      messages.AccountUpdated{Origin: origin(), Action: "routing_status_set", Revision: revision},
		"unknown":      messages.UnknownReceived{Origin: origin(), Action: "beamed", Revision: revision},
	}
}

func idOf(e messages.Event) string { return messages.EventID(e.From(), e.Type(), e.Key()...) }

// TestRetriesOfChanges holds which copies of one content are one change: whatever comes within 90 seconds, and nothing
// that comes three minutes later.
func TestRetriesOfChanges(t *testing.T) {
	const once, retry, again = "same event", "former event", "another event"
	tests := map[string]struct {
		first, second time.Duration // from the edge
		payload       string
		want          string
	}{
		"retry within the window":        {0, time.Minute, "1", once},
		"retry over the edge":            {-time.Second, time.Second, "1", retry},
		"retry after 90 seconds":         {-time.Second, 89 * time.Second, "1", retry},
		"at the last moment":             {-90 * time.Second, 90*time.Second - 1, "1", retry},
		"two windows on":                 {-1, 90 * time.Second, "1", again},
		"three minutes later":            {-90 * time.Second, 90 * time.Second, "1", again},
		"another content over the edge":  {-time.Second, time.Second, "2", again},
		"the later one handed out first": {time.Second, -time.Second, "1", again},
	}
	for name, test := range tests {
		first, second := changes("1", edge.Add(test.first)), changes(test.payload, edge.Add(test.second))
		for kind := range first {
			got := again
			switch idOf(first[kind]) {
			case idOf(second[kind]):
				got = once
			case messages.FormerID(second[kind]):
				got = retry
			}
			if got != test.want {
				t.Errorf("%s, %s: %s, want %s", kind, name, got, test.want)
			}
		}
	}
}

// TestNoFormer holds that ids of the provider, and revisions that are none, have no former.
func TestNoFormer(t *testing.T) {
	for name, e := range map[string]messages.Event{
		"a message with an id":         received(),
		"a removal":                    messages.MessageDeleted{Origin: origin(), MessageID: "m"},
		"a thread that is opened once": messages.ConversationUpdated{Origin: origin(), Change: messages.ChatOpened, ThreadID: "t"},
		"no window":                    messages.MessageUpdated{Origin: origin(), Revision: "r"},
		"a window that is no number":   messages.UnknownReceived{Origin: origin(), Revision: "r.x"},
		"no press":                     messages.MessageReceived{Origin: origin(), Revision: "r.1"},
		"content that is no press": messages.MessageReceived{
			Origin: origin(), Message: messages.Message{Content: &messages.Content{}}, Revision: "r.1",
		},
		"a dispatch": messages.DispatchRequested{Origin: origin(), Destination: "crm"},
	} {
		if id := messages.FormerID(e); id != "" {
			t.Errorf("%s: %s", name, id)
		}
	}
	if id := (messages.DispatchRequested{Origin: origin(), Destination: "crm"}).FormerID(); id != "" {
		t.Errorf("a dispatch of nothing that was revised: %s", id)
	}
}
