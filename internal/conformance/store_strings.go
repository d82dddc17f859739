package conformance

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// stringsComeBack uses every string as every name there is. What comes back is the same string, and names that differ in
// anything are different names: they hold each other's bytes in other places, or are what an escape of another might be.
func stringsComeBack(t *testing.T, s S) {
	all := []string{
		"plain", "Plain", " plain", "plain ", "naïve", "nai\u0308ve", "\U0001F642", "'; DROP TABLE chats; --", "%", "_", `\`, `\x00`,
		"a\x00b", "a\x00", "a", "\x00", "\x1a", "\x1a00", "\x1a1a", "\x1a\x1a00", "a\x1a00b", "\x1a0", "\x1azz",
		"\ufffd", "\xff", "\xff\xfe", "\xed\xa0\x80", "\xc0\x80", "caf\xc3", "\ufeff", "\u202e",
		strings.Repeat("k", 256), strings.Repeat("\U0001F642", 64),
	}
	for i, x := range all {
		e := messages.MessageReceived{
			Origin: messages.Origin{
				Channel: "livechat", User: x, Chat: messages.Chat{Tenant: messages.Tenant{Org: x, LiveChat: x}, ChatID: x},
			},
			Message: messages.Message{
				ID: x, Type: x, Text: &x, Author: messages.Author{ID: x, Type: x}, CreatedAt: "2024-01-15T10:30:00Z",
				File: &messages.File{ID: x, Name: x, ContentType: x, Size: int64(i), Extension: x},
			},
			Visitor: &messages.Visitor{ID: x, Name: x, Email: x},
		}
		mustSave(t, s, e)
		media := store.Media{Chat: e.Chat, File: *e.Message.File, State: store.MediaState(x), Reason: x, ETag: x, DecidedAt: time.Unix(int64(i), 0).UTC()}
		if ok, err := s.DecideMedia(t.Context(), media); !ok || err != nil {
			t.Errorf("DecideMedia(%q) = %v, %v", x, ok, err)
		}
		cause := &messages.DeliveryError{Code: x, Reason: x}
		mustReport(t, s, messages.DeliveryUpdated{
			Origin: e.Origin, MessageID: x, Status: messages.Failed, Error: cause, At: map[messages.Status]string{messages.Failed: x},
		})
		mustChange(t, s, messages.MessagesSeen{Origin: e.Origin, By: x, UpTo: wroteAt}) // the author: nobody else has seen it
		mustChange(t, s, messages.ConversationUpdated{
			Origin: e.Origin, Change: messages.PersonAdded, At: wroteAt, People: []messages.Person{{ID: x, Type: x, Name: x, Email: x}},
		})
		if done, err := s.Dispatched(t.Context(), x); done || err != nil {
			t.Errorf("Dispatched(%q) = %v, %v before it was", x, done, err)
		}
		if err := s.MarkDispatched(t.Context(), x, x, time.Now()); err != nil {
			t.Error(err)
		}
		if err := s.SaveAccount(t.Context(), account(e.Tenant, x, time.Unix(int64(i), 0))); err != nil {
			t.Error(err)
		}
		defer holdStrings(t, s, e, media, cause) // when all are there
	}
	if got, err := s.Accounts(t.Context()); len(got) != len(all) || err != nil {
		t.Errorf("%d accounts (%v), want %d", len(got), err, len(all))
	}
}

func holdStrings(t *testing.T, s S, e messages.MessageReceived, media store.Media, cause *messages.DeliveryError) {
	x := e.Message.ID
	want := store.Page{Entries: []store.Entry{{Message: e.Message, Status: messages.Failed, Media: &media}}, Total: 1}
	if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: e.Chat, Limit: 2})); diff != "" {
		t.Errorf("%q: %s", x, diff)
	}
	if chat, message, err := s.Seen(t.Context(), e.Chat, x); !chat || !message || err != nil {
		t.Errorf("Seen(%q) = %v, %v, %v", x, chat, message, err)
	}
	c, err := s.Conversation(t.Context(), e.Chat)
	if diff := cmp.Diff([]messages.Person{{ID: x, Type: x, Name: x, Email: x}}, c.People); diff != "" || err != nil {
		t.Errorf("Conversation(%q): %s %v", x, diff, err)
	}
	if v, err := s.Visitor(t.Context(), e.Tenant, x); v != *e.Visitor || err != nil {
		t.Errorf("Visitor(%q) = %+v, %v", x, v, err)
	}
	if m, err := s.Media(t.Context(), x); m != media || err != nil {
		t.Errorf("Media(%q) = %+v, %v", x, m, err)
	}
	r, err := s.Receipt(t.Context(), e.Chat, x)
	if diff := cmp.Diff(store.Receipt{Status: messages.Failed, Error: cause, At: map[messages.Status]string{messages.Failed: x}}, r); diff != "" || err != nil {
		t.Errorf("Receipt(%q): %s %v", x, diff, err)
	}
	if done, err := s.Dispatched(t.Context(), x); !done || err != nil {
		t.Errorf("Dispatched(%q) = %v, %v", x, done, err)
	}
	if a, err := s.Account(t.Context(), e.Tenant); a.Tenant != e.Tenant || len(a.Credentials) != 1 || err != nil {
		t.Errorf("Account(%q) = %+v, %v", x, a, err)
	}
}

// textsOfEverySize holds what a message may be: nothing, a line, and more than a page or a packet.
func textsOfEverySize(t *testing.T, s S) {
	for _, size := range []int{1, 2000, 8191, 8193, 32 << 10, 1 << 20} {
		text := strings.Repeat("x\u00e9\U0001F642 ", size/8+1)[:size]
		e := received(chat1, text[:min(size, 100)]+time.Duration(size).String(), "2024-01-15T10:30:00Z")
		e.Message.Text = &text
		mustSave(t, s, e)
		got := mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0]
		if got.Text == nil || *got.Text != text {
			t.Errorf("%d bytes did not come back", size)
		}
	}
}
