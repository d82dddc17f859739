package conformance

import (
	"errors"
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func contentComesBack(t *testing.T, s S) {
	toggled := true
	contents := []*messages.Content{
		{},
		{File: &messages.Attachment{URL: "https://cdn.example.com/a.png", Filename: "a.png", ContentType: "image/png", Size: 1 << 40, Width: 3, Height: 4}},
		{Postback: &messages.Postback{ID: "action_yes", MessageID: "msg0", Toggled: &toggled, Ecommerce: jsontext.Value(`{"price":1e400}`)}},
		{FormID: "form1", FormType: "prechat", Fields: []messages.Field{{Type: "email", Label: "E-mail \x00 \U0001F642", Answer: jsontext.Value(`"jon@example.com"`)}}},
		{TemplateID: "cards", Elements: []messages.Element{{Title: "'; DROP TABLE chats; --", Buttons: jsontext.Value(`[{"text":"Yes"}]`)}}},
		{SystemType: "routing.assigned", TextVars: jsontext.Value(`{"agent":"Ana"}`)},
		{Source: "a", Subtype: "b", Version: "1", Details: `{"a":1}`},
		{Custom: jsontext.Value(`{"deep":[[[]]]}`)},
	}
	for i, content := range contents {
		e := received(chat1, fmt.Sprint("msg", i), fmt.Sprintf("2024-01-15T10:3%d:00Z", i))
		e.Message.Type, e.Message.Text, e.Message.Content, e.Message.Internal = "custom", nil, content, i%2 == 1
		mustSave(t, s, e)
		want := store.Entry{Message: e.Message}
		if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0]); diff != "" {
			t.Errorf("content %d: %s", i, diff)
		}
		edit := messages.MessageUpdated{Origin: e.Origin, Message: e.Message, EditedAt: "2024-01-15T11:00:00+02:00", Revision: "a"}
		edit.Message.Content, edit.Message.Internal = contents[(i+3)%len(contents)], i%2 == 0
		mustChange(t, s, edit)
		want = store.Entry{Message: edit.Message, EditedAt: edit.EditedAt}
		if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0]); diff != "" {
			t.Errorf("edit to content %d: %s", i, diff)
		}
	}
	broken := received(chat1, "msg9", wroteAt)
	broken.Message.Content = &messages.Content{Custom: jsontext.Value(`{"secret": tru`)}
	var permanent *messages.PermanentError
	if _, err := s.SaveMessage(t.Context(), "evt_broken", broken); !errors.As(err, &permanent) {
		t.Errorf("content that is no JSON: %v, want a permanent error", err)
	}
}

// uploadChanges: an edit in either order leaves a message its upload; a deletion takes the upload from whoever knows its id.
func uploadChanges(t *testing.T, s S) {
	decided := decidedMedia(chat1, "media_1")
	if _, err := s.DecideMedia(t.Context(), decided); err != nil {
		t.Fatal(err)
	}
	for i, editFirst := range []bool{false, true} {
		e := received(chat1, fmt.Sprint("msg", i), fmt.Sprintf("2024-01-15T10:3%d:00Z", i))
		e.Message.Type, e.Message.File = messages.MessageFile, &decided.File
		edit := edited(chat1, e.Message.ID, "a", "2024-01-15T11:00:00Z")
		edit.Message.CreatedAt = e.Message.CreatedAt
		edit.Message.File = &messages.File{ID: "media_other"} // an edit brings no upload
		if editFirst {
			mustChange(t, s, edit)
			if saved, err := saveAny(t, s, e); saved || err != nil {
				t.Fatalf("the message after its edit: %v, %v, want false", saved, err)
			}
		} else {
			mustChange(t, s, e)
			mustChange(t, s, edit)
		}
		want := store.Entry{Message: edit.Message, EditedAt: edit.EditedAt, Media: &decided}
		want.File = &decided.File
		if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0]); diff != "" {
			t.Errorf("edit first %v: %s", editFirst, diff)
		}
	}
	for _, other := range likeChat1() { // who knows the id and has no right to it
		e := received(other, "msg1", wroteAt)
		e.Message.File = &decided.File
		mustChange(t, s, e)
		mustChange(t, s, deleted(other, "msg1", "2024-01-15T12:00:00Z"))
	}
	if m, err := s.Media(t.Context(), "media_1"); err != nil {
		t.Errorf("after another chat's deletion: %+v, %v", m, err)
	}
	mustChange(t, s, deleted(chat1, "msg1", "2024-01-15T12:00:00Z"))
	entry := mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0]
	if entry.File != nil || entry.Media != nil || entry.Text != nil || entry.DeletedAt == "" {
		t.Errorf("after its deletion: %+v", entry)
	}
	if _, err := s.Media(t.Context(), "media_1"); !errors.Is(err, store.ErrUnknownMedia) {
		t.Errorf("the deleted upload: %v, want ErrUnknownMedia", err)
	}
}

func differs(t *testing.T, s S) {
	first := received(chat1, "msg1", wroteAt)
	first.Message.Content = &messages.Content{TemplateID: "cards"}
	expect := func(what string, e messages.MessageReceived, want bool) {
		t.Helper()
		if got, err := s.Differs(t.Context(), e); got != want || err != nil {
			t.Errorf("%s: Differs = %v, %v, want %v", what, got, err, want)
		}
	}
	expect("no message", first, false)
	mustSave(t, s, first)
	expect("the same", first, false)
	again := first
	again.Message.CreatedAt = "2024-01-15T10:31:00Z"
	expect("the same, told later", again, false)
	other := "other"
	for what, change := range map[string]func(*messages.Message){
		"type":       func(m *messages.Message) { m.Type = "form" },
		"text":       func(m *messages.Message) { m.Text = &other },
		"no text":    func(m *messages.Message) { m.Text = nil },
		"author":     func(m *messages.Message) { m.Author.ID = "visitor2" },
		"content":    func(m *messages.Message) { m.Content = &messages.Content{TemplateID: "sticker"} },
		"no content": func(m *messages.Message) { m.Content = nil },
	} {
		e := first
		change(&e.Message)
		expect("other "+what, e, true)
		e.Chat = likeChat1()[0]
		expect("another tenant's", e, false)
	}
	changed := first
	changed.Message.Text = &other
	mustChange(t, s, edited(chat1, "msg1", "a", "2024-01-15T10:40:00Z"))
	expect("the original of an edited one", first, false)
	expect("an edited one", changed, false)
	mustSave(t, s, received(chat1, "msg2", wroteAt))
	mustChange(t, s, deleted(chat1, "msg2", "2024-01-15T10:40:00Z"))
	changed.Message.ID = "msg2"
	expect("a deleted one", changed, false)
}

func watermarkReads(t *testing.T, s S) {
	expect := func(want ...messages.Status) {
		t.Helper()
		var got []messages.Status
		for _, e := range mustPage(t, s, store.Query{Chat: chat1, Limit: 10}).Entries {
			got = append(got, e.Status)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	mustChange(t, s, seenBy(chat1, "visitor1", "2024-01-15T10:30:01.000001Z")) // before there is any message
	if known, _, err := s.Seen(t.Context(), chat1, "msg0"); known || err != nil {
		t.Errorf("Seen = %v, %v: a watermark alone makes no chat", known, err)
	}
	for i, author := range []string{"agent1", "agent1", "visitor1", "agent1"} {
		e := received(chat1, fmt.Sprint("msg", i), fmt.Sprintf("2024-01-15T10:30:0%d.000001Z", i))
		e.Message.Author.ID = author
		mustSave(t, s, e)
	}
	mustReport(t, s, updated(chat1, "msg3", messages.Failed))
	expect(messages.Read, messages.Read, "", messages.Failed) // the second was written at the very moment
	for _, still := range []string{"2024-01-15T10:30:01.000001Z", "2024-01-15T12:30:01.000001+02:00", "2024-01-15T10:30:00Z", "1970-01-01T00:00:00Z"} {
		if changed, err := saveAny(t, s, seenBy(chat1, "visitor1", still)); changed || err != nil {
			t.Errorf("a watermark that is not newer: %v, %v, want false", changed, err)
		}
	}
	expect(messages.Read, messages.Read, "", messages.Failed)
	mustChange(t, s, seenBy(chat1, "agent1", "2024-01-15T10:30:02Z")) // a microsecond short of the third
	expect(messages.Read, messages.Read, "", messages.Failed)
	mustChange(t, s, seenBy(chat1, "agent1", "2024-01-15T10:31:00Z"))
	expect(messages.Read, messages.Read, messages.Read, messages.Failed) // not the author's own
	mustChange(t, s, seenBy(chat1, "agent2", "2024-01-15T10:31:00Z"))
	expect(messages.Read, messages.Read, messages.Read, messages.Read)
}

func guessedAuthors(t *testing.T, s S) {
	authors := func(want ...messages.Author) {
		t.Helper()
		var got []messages.Author
		for _, e := range mustPage(t, s, store.Query{Chat: chat1, Limit: 10}).Entries {
			if e.AuthorGuessed == (e.Author.ID == "bot1") { // bot1 alone is among the chat's people
				t.Errorf("%s: guessed %v", e.ID, e.AuthorGuessed)
			}
			got = append(got, e.Author)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	write := func(id, author string) {
		e := received(chat1, id, wroteAt)
		e.Message.Author, e.Message.AuthorGuessed = messages.Author{ID: author, Type: messages.AuthorVisitor}, true
		mustSave(t, s, e)
	}
	elsewhere := likeChat1()[2] // the same tenant
	mustChange(t, s, told(elsewhere, messages.ChatOpened, wroteAt, messages.Person{ID: "other1", Type: messages.AuthorAgent}))
	write("msg1", "bot1")
	write("msg2", "other1")
	mustChange(t, s, told(chat1, messages.PersonAdded, wroteAt, messages.Person{ID: "bot1", Type: messages.AuthorBot}))
	write("msg3", "bot1")
	bot, other := messages.Author{ID: "bot1", Type: messages.AuthorBot}, messages.Author{ID: "other1", Type: messages.AuthorVisitor}
	authors(bot, other, bot)

	sure := received(chat1, "msg4", "2024-01-15T10:31:00Z")
	sure.Message.Author = messages.Author{ID: "bot1", Type: "supervisor"} // the message itself said so
	mustSave(t, s, sure)
	if got := mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0].Author; got != sure.Message.Author {
		t.Errorf("author %+v, want %+v", got, sure.Message.Author)
	}
}

func peopleToldLast(t *testing.T, s S) {
	const at = "2024-01-15T10:40:00Z"
	first, tie := told(chat1, messages.ChatOpened, at), told(chat1, messages.PersonAdded, at)
	if eventID(first) > eventID(tie) { // of one moment the greater event id counts
		first, tie = tie, first
	}
	first.People = []messages.Person{{ID: "a", Type: "agent", Name: "first"}}
	tie.People = []messages.Person{{ID: "a", Type: "agent", Name: "second"}, {ID: ""}, {ID: "b", Type: "bot"}, {ID: "a", Type: "agent", Name: "third"}}
	older := told(chat1, messages.ChatOpened, "2024-01-15T10:39:59.999999Z", messages.Person{ID: "a", Type: "visitor", Name: "older"})
	for _, e := range []messages.ConversationUpdated{tie, first, older} {
		mustChange(t, s, e)
	}
	got, err := s.Conversation(t.Context(), chat1)
	want := []messages.Person{{ID: "a", Type: "agent", Name: "third"}, {ID: "b", Type: "bot"}}
	if diff := cmp.Diff(want, got.People); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func openedChat(t *testing.T, s S) {
	if _, err := s.Conversation(t.Context(), chat1); !errors.Is(err, store.ErrUnknownChat) {
		t.Errorf("Conversation = %v, want ErrUnknownChat", err)
	}
	for _, e := range []messages.Event{
		seenBy(chat1, "agent1", wroteAt), deleted(chat1, "msg1", wroteAt), told(chat1, messages.PersonAdded, wroteAt),
	} {
		mustChange(t, s, e)
		if known, _, err := s.Seen(t.Context(), chat1, "msg1"); known || err != nil {
			t.Errorf("%T made the chat known (%v)", e, err)
		}
		if _, err := s.Page(t.Context(), store.Query{Chat: chat1, Limit: 1}); !errors.Is(err, store.ErrUnknownChat) {
			t.Errorf("Page = %v, want ErrUnknownChat", err)
		}
	}
	mustChange(t, s, told(chat1, messages.ChatOpened, wroteAt))
	mustChange(t, s, told(chat1, messages.ChatClosed, "2024-01-15T10:31:00Z"))
	for name, q := range map[string]store.Query{"whole": {Chat: chat1, Limit: 1}, "days": {Chat: chat1, Limit: 1, From: january(2024, 1), To: january(2025, 1)}} {
		if diff := cmp.Diff(store.Page{}, mustPage(t, s, q)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if known, message, err := s.Seen(t.Context(), chat1, "msg1"); !known || message || err != nil {
		t.Errorf("Seen = %v, %v, %v, want a known chat without the message", known, message, err)
	}
	for _, other := range likeChat1() {
		if _, err := s.Page(t.Context(), store.Query{Chat: other, Limit: 1}); !errors.Is(err, store.ErrUnknownChat) {
			t.Errorf("Page(%v) = %v, want ErrUnknownChat", other, err)
		}
	}
}

func changesComeBack(t *testing.T, s S) {
	opened := told(chat1, messages.ChatOpened, "2024-01-15T10:30:00.123456+01:00")
	opened.ThreadID = "thread1"
	moved := told(chat1, messages.ChatTransferred, "2024-01-15T10:31:00Z", messages.Person{ID: "agent1", Type: "agent"})
	moved.By, moved.Reason, moved.GroupIDs, moved.AgentIDs = "agent1", "manual", []int64{0, 1 << 40}, []string{"ana@example.com"}
	moved.Details = jsontext.Value(`{"queue":{"position":1,"wait_time":1e400}}`)
	tagged := told(chat1, messages.ThreadTagged, "2024-01-15T10:29:00Z") // told late: arrival is the order
	tagged.Tag, tagged.MessageID, tagged.Removed = "NUL \x00 \U0001F642", "msg1", "agent2"
	var want []messages.ConversationUpdated
	for _, e := range []messages.ConversationUpdated{opened, moved, tagged} {
		mustChange(t, s, e)
		if saved, err := saveAny(t, s, e); saved || err != nil {
			t.Errorf("the same event again: %v, %v, want false", saved, err)
		}
		e.Channel, e.User, e.People = "", "", nil
		want = append(want, e)
	}
	got, err := s.Conversation(t.Context(), chat1)
	if diff := cmp.Diff(want, got.Changes); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
