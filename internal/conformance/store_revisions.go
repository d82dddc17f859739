package conformance

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// The moments of a story over the edge of a window of revisions, which is at 10:31:30.
const (
	before   = "2024-01-15T10:31:20Z"
	between  = "2024-01-15T10:31:25Z"
	retried  = "2024-01-15T10:31:40Z" // in the next window
	retried3 = "2024-01-15T10:32:20Z"
	later    = "2024-01-15T10:34:20Z" // three minutes after the first
)

func revision(content, at string) string {
	t, err := messages.ParseTime(at)
	if err != nil {
		panic(err)
	}
	return messages.Revision([]byte(content), t)
}

// changed is a change of a chat to what content says, as it comes at a moment.
type changed func(chat messages.Chat, content, at string) messages.Event

// revised are the kinds of changes that have no id of their own.
var revised = map[string]changed{
	"edit": func(chat messages.Chat, content, at string) messages.Event {
		e := edited(chat, "msg1", revision(`{"text":"`+content+`"}`, at), at)
		e.Message.Text = &content
		return e
	},
	"tag": func(chat messages.Chat, content, at string) messages.Event {
		e := told(chat, messages.ThreadTagged, at)
		e.Tag, e.Revision = content, revision(`{"tag":"`+content+`"}`, at)
		return e
	},
	"postback": func(chat messages.Chat, content, at string) messages.Event {
		e := received(chat, "", at)
		e.Revision = revision(`{"id":"`+content+`"}`, at)
		e.Message.ID = messages.PostbackID("msg1", e.Message.Author.ID, e.Revision)
		e.Message.Type, e.Message.Text = messages.MessagePostback, nil
		e.Message.Content = &messages.Content{Postback: &messages.Postback{ID: content, MessageID: "msg1"}}
		return e
	},
}

// known is all that the chat has come to.
type known struct {
	Page  store.Page
	About store.Conversation
}

func knownOf(t *testing.T, s S, chat messages.Chat) known {
	t.Helper()
	about, err := s.Conversation(t.Context(), chat)
	if err != nil {
		t.Fatal(err)
	}
	return known{mustPage(t, s, store.Query{Chat: chat, Limit: 20}), about}
}

// retryOverEdge holds that a change that comes again in the next window is the one that is kept, whatever happened in
// between, and that the same change three minutes later is another one.
func retryOverEdge(t *testing.T, s S) {
	for name, change := range revised {
		chat := chat1
		chat.ChatID = name
		mustSave(t, s, received(chat, "msg1", wroteAt))
		mustChange(t, s, change(chat, "one", before))
		mustChange(t, s, change(chat, "two", between))
		want := knownOf(t, s, chat)
		for _, at := range []string{before, retried, retried3, retried} {
			if got, err := saveAny(t, s, change(chat, "one", at)); got || err != nil {
				t.Errorf("%s: a retry at %s changed something: %v, %v", name, at, got, err)
			}
		}
		if diff := cmp.Diff(want, knownOf(t, s, chat)); diff != "" {
			t.Errorf("%s: a retry over the edge (-before +after):\n%s", name, diff)
		}
		mustChange(t, s, change(chat, "one", later)) // the retry before it was not kept, so it hides nothing
		entries := knownOf(t, s, chat)
		if text := entries.Page.Entries[0].Text; name == "edit" && (text == nil || *text != "one") {
			t.Errorf("edited back to one, the message is %v", entries.Page.Entries[0])
		}
		if n := len(entries.About.Changes); name == "tag" && n != 3 {
			t.Errorf("tagged with one, two and one: %d changes", n)
		}
		if n := entries.Page.Total; name == "postback" && n != 4 {
			t.Errorf("a message and three presses: %d messages", n)
		}
	}
}

// formerApart holds that what came in another chat makes no change a retry.
func formerApart(t *testing.T, s S) {
	for _, change := range revised {
		for _, other := range likeChat1() {
			mustChange(t, s, change(other, "one", before))
		}
		mustChange(t, s, change(chat1, "one", retried))
	}
}
