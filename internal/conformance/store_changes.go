package conformance

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const wroteAt = "2024-01-15T10:30:00Z" // created_at of what is edited here

func edited(chat messages.Chat, id, revision, editedAt string) messages.MessageUpdated {
	e := received(chat, id, wroteAt)
	text := "edit " + revision + " of " + id
	e.Message.Text = &text
	return messages.MessageUpdated{Origin: e.Origin, Message: e.Message, EditedAt: editedAt, Revision: revision}
}

func deleted(chat messages.Chat, id, at string) messages.MessageDeleted {
	return messages.MessageDeleted{Origin: received(chat, "", "").Origin, MessageID: id, DeletedAt: at}
}

func seenBy(chat messages.Chat, person, upTo string) messages.MessagesSeen {
	return messages.MessagesSeen{Origin: received(chat, "", "").Origin, By: person, UpTo: upTo}
}

func told(chat messages.Chat, change messages.Change, at string, people ...messages.Person) messages.ConversationUpdated {
	return messages.ConversationUpdated{Origin: received(chat, "", "").Origin, Change: change, At: at, People: people, Revision: at}
}

// saveAny writes an event by the method of its type and reports whether it changed anything.
func saveAny(t *testing.T, s S, event messages.Event) (changed bool, err error) {
	id := eventID(event)
	switch e := event.(type) {
	case messages.MessageReceived:
		return s.SaveMessage(t.Context(), id, e)
	case messages.MessageUpdated:
		return s.SaveEdit(t.Context(), id, e)
	case messages.MessageDeleted:
		return s.SaveDeletion(t.Context(), id, e)
	case messages.MessagesSeen:
		return s.SaveSeen(t.Context(), id, e)
	case messages.ConversationUpdated:
		return s.SaveConversation(t.Context(), id, e)
	}
	return false, fmt.Errorf("no method saves %T", event)
}

func mustChange(t *testing.T, s S, event messages.Event) {
	t.Helper()
	if changed, err := saveAny(t, s, event); err != nil || !changed {
		t.Fatalf("save %T: %v, %v, want true", event, changed, err)
	}
}

// again is the same event as a retry hours later would bring it: livepipe's own times are later, the rest is as sent.
func again(event messages.Event) messages.Event {
	const later = "2024-01-20T00:00:00Z"
	switch e := event.(type) {
	case messages.MessageReceived:
		other := "other words"
		e.Message.Text, e.Visitor = &other, nil
		return e
	case messages.MessageUpdated:
		e.EditedAt = later
		return e
	case messages.MessageDeleted:
		e.DeletedAt = later
		return e
	case messages.ConversationUpdated:
		e.At = later
		return e
	}
	return event
}

// history are the events of a chat with one message, and what the chat has come to when all have come.
func history(chat messages.Chat, visitor string, deletion bool) ([]messages.Event, store.Entry, store.Conversation) {
	first := received(chat, "msg1", wroteAt)
	first.Message.Author.ID, first.Message.AuthorGuessed = visitor, true
	first.Visitor = &messages.Visitor{ID: visitor, Name: "Jon", Email: "jon@example.com"}
	older, newer := edited(chat, "msg1", "older", "2024-01-15T10:40:00Z"), edited(chat, "msg1", "newer", "2024-01-15T10:41:00Z")
	for _, e := range []*messages.MessageUpdated{&older, &newer} {
		e.Message.Author, e.Message.AuthorGuessed = first.Message.Author, true
	}
	newer.Message.Type, newer.Message.Internal = "rich_message", true
	newer.Message.Content = &messages.Content{TemplateID: "cards"}
	opened := told(chat, messages.ChatOpened, "2024-01-15T10:29:00Z", messages.Person{ID: visitor, Type: "agent", Email: "old@example.com"})
	person := messages.Person{ID: visitor, Type: messages.AuthorVisitor, Name: "John"}
	added := told(chat, messages.PersonAdded, "2024-01-15T10:45:00Z", person)
	events := []messages.Event{first, older, newer, seenBy(chat, "agent1", "2024-01-15T10:50:00Z"), added}

	want := store.Entry{Message: newer.Message, Status: messages.Read, EditedAt: newer.EditedAt}
	want.Author.Type, want.AuthorGuessed = messages.AuthorVisitor, false
	knows := store.Conversation{People: []messages.Person{person}}
	if !deletion {
		return append(events, opened), want, knows
	}
	gone := deleted(chat, "msg1", "2024-01-15T10:43:00Z")
	want.Text, want.Content, want.DeletedAt = nil, nil, gone.DeletedAt
	return append(events, gone), want, knows
}

// changesInAnyOrder writes a message, two edits of it, a watermark, a change that names its author, and either its deletion
// or an earlier such change, in each stride-th of their 2 x 720 orders, each in a chat of its own; in every second order all
// of it comes again in the end.
func changesInAnyOrder(t *testing.T, s S, stride int) {
	if testing.Short() || RaceDetector {
		stride = 23
	}
	var g errgroup.Group
	g.SetLimit(64)
	var n, driven int
	for _, deletion := range []bool{false, true} {
		order := []int{0, 1, 2, 3, 4, 5}
		permute(order, func(order []int) {
			n++
			if n%stride != 0 {
				return
			}
			driven++
			order, repeat := append([]int(nil), order...), driven%2 == 0
			chat, visitor := chat1, fmt.Sprint("visitor", n)
			chat.ChatID = fmt.Sprint("chat", n)
			g.Go(func() error { return inOrder(t, s, chat, visitor, deletion, order, repeat) })
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d orders", driven, n)
}

func inOrder(t *testing.T, s S, chat messages.Chat, visitor string, deletion bool, order []int, repeat bool) error {
	events, want, knows := history(chat, visitor, deletion)
	for _, i := range order {
		if _, err := saveAny(t, s, events[i]); err != nil {
			return err
		}
	}
	for _, i := range order {
		if !repeat {
			break
		}
		changed, err := saveAny(t, s, again(events[i]))
		if err != nil {
			return err
		}
		if changed {
			return fmt.Errorf("order %v: %T came again and changed something", order, events[i])
		}
	}
	diff, err := compare(t, s, chat, visitor, want, knows)
	if err == nil && diff != "" {
		err = fmt.Errorf("order %v, deletion %v, repeats %v: %s", order, deletion, repeat, diff)
	}
	return err
}

// compare holds a chat with one message against what it has come to.
func compare(t *testing.T, s S, chat messages.Chat, visitor string, want store.Entry, knows store.Conversation) (diff string, err error) {
	for _, q := range []store.Query{{Chat: chat, Limit: 2}, {Chat: chat, Limit: 2, From: january(2024, 1), To: january(2024, 30)}} {
		page, err := s.Page(t.Context(), q)
		if err != nil {
			return "", err
		}
		diff += cmp.Diff(store.Page{Entries: []store.Entry{want}, Total: 1}, page)
	}
	got, err := s.Conversation(t.Context(), chat)
	if err != nil {
		return "", err
	}
	v, err := s.Visitor(t.Context(), chat.Tenant, visitor)
	known := messages.Visitor{ID: visitor, Name: "John", Email: "jon@example.com"}
	return diff + cmp.Diff(knows.People, got.People) + cmp.Diff(known, v), err
}

// editsTogether sends a message and its edits many times at once, also two edits of one moment.
func editsTogether(t *testing.T, s S) {
	const n = 12
	events := []messages.Event{received(chat1, "msg1", wroteAt)}
	var last messages.MessageUpdated
	for i := range n {
		e := edited(chat1, "msg1", fmt.Sprint(i), fmt.Sprintf("2024-01-15T10:%02d:00Z", 40+i/2)) // two of each minute
		if i == n-2 || i == n-1 && eventID(e) > eventID(last) {
			last = e
		}
		events = append(events, e)
	}
	var changes atomic.Int32
	var g errgroup.Group
	for range 5 {
		for _, e := range events {
			g.Go(func() error {
				changed, err := saveAny(t, s, e)
				if changed {
					changes.Add(1)
				}
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	want := store.Entry{Message: last.Message, EditedAt: last.EditedAt}
	if diff := cmp.Diff([]store.Entry{want}, mustPage(t, s, store.Query{Chat: chat1, Limit: 2}).Entries); diff != "" {
		t.Error(diff)
	}
	if got := changes.Load(); got < 1 || got > n+1 {
		t.Errorf("%d changes by %d events", got, len(events))
	}
	expectCount(t, s, chat1, 1)
}

// deletionFirst writes a message with all it may have after its deletion, once alone and once with an edit in its place.
func deletionFirst(t *testing.T, s S) {
	for i, edit := range []bool{false, true} {
		e := received(chat1, fmt.Sprint("msg", i), fmt.Sprintf("2024-01-15T10:3%d:00Z", i))
		e.Message.File, e.Message.Content = &messages.File{ID: "media_1"}, &messages.Content{FormID: "form1"}
		gone := deleted(chat1, e.Message.ID, "2024-01-15T11:00:00Z")
		want := store.Entry{Message: e.Message, DeletedAt: gone.DeletedAt}
		want.Text, want.File, want.Content = nil, nil, nil
		mustChange(t, s, gone)
		if edit {
			change := messages.MessageUpdated{Origin: e.Origin, Message: e.Message, EditedAt: "2024-01-15T10:40:00Z", Revision: "a"}
			want.EditedAt = change.EditedAt
			mustChange(t, s, change)
		}
		if saved, err := saveAny(t, s, e); saved == edit || err != nil {
			t.Errorf("the message after its deletion: %v, %v", saved, err)
		}
		if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0]); diff != "" {
			t.Error(diff)
		}
		expectCount(t, s, chat1, i+1)
	}
}

// changesKeepPlaces edits and deletes every other message of a walk: what a page is, its total and its next stay the same.
func changesKeepPlaces(t *testing.T, s S) {
	const n = 10
	walk := func() (pages [][]string, totals []int64) {
		for q := (store.Query{Chat: chat1, Limit: 4}); ; {
			page := mustPage(t, s, q)
			pages, totals = append(pages, ids(page.Entries)), append(totals, page.Total)
			if page.Next.IsZero() {
				return pages, totals
			}
			q.Before = page.Next
		}
	}
	for i := range n {
		mustSave(t, s, received(chat1, fmt.Sprint("msg", i), january(2024, 1+i/3).Add(time.Duration(i)*time.Minute).Format(time.RFC3339)))
	}
	pages, totals := walk()
	for i := 0; i < n; i += 2 {
		id := fmt.Sprint("msg", i)
		mustChange(t, s, edited(chat1, id, "a", "2024-01-16T00:00:00Z")) // with a created_at of another day, which is not taken
		mustChange(t, s, deleted(chat1, fmt.Sprint("msg", (i+3)%n), "2024-01-17T00:00:00Z"))
	}
	afterwards, totalsThen := walk()
	if diff := cmp.Diff(pages, afterwards) + cmp.Diff(totals, totalsThen); diff != "" {
		t.Error(diff)
	}
	expectCount(t, s, chat1, n)
	entries := mustPage(t, s, store.Query{Chat: chat1, Limit: n}).Entries
	for i, e := range entries {
		if wrote := january(2024, 1+i/3).Add(time.Duration(i) * time.Minute).Format(time.RFC3339); e.CreatedAt != wrote {
			t.Errorf("%s was written at %s, want %s", e.ID, e.CreatedAt, wrote)
		}
		if (e.EditedAt != "") != (i%2 == 0) || (e.DeletedAt != "") != (i%2 == 1) || (e.Text == nil) != (i%2 == 1) {
			t.Errorf("%s: edited at %q, deleted at %q, text %v", e.ID, e.EditedAt, e.DeletedAt, e.Text)
		}
	}
}

func changesApart(t *testing.T, s S) {
	mustSave(t, s, received(chat1, "msg1", wroteAt))
	before := mustPage(t, s, store.Query{Chat: chat1, Limit: 1})
	for _, other := range likeChat1() {
		mustSave(t, s, received(other, "msg1", wroteAt))
		mustChange(t, s, edited(other, "msg1", "a", "2024-01-15T10:40:00Z"))
		mustChange(t, s, deleted(other, "msg1", "2024-01-15T10:41:00Z"))
		mustChange(t, s, seenBy(other, "agent1", "2024-01-15T10:42:00Z"))
		mustChange(t, s, told(other, messages.ChatOpened, wroteAt, messages.Person{ID: "visitor1", Type: "agent"}))
	}
	if diff := cmp.Diff(before, mustPage(t, s, store.Query{Chat: chat1, Limit: 1})); diff != "" {
		t.Error(diff)
	}
	got, err := s.Conversation(t.Context(), chat1)
	if diff := cmp.Diff(store.Conversation{}, got); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	for _, other := range likeChat1() {
		if e := mustPage(t, s, store.Query{Chat: other, Limit: 1}).Entries[0]; e.EditedAt == "" || e.DeletedAt == "" || e.Status != messages.Read {
			t.Errorf("%v: %+v", other, e)
		}
	}
}

func changesWithoutTime(t *testing.T, s S) {
	for _, at := range []string{"", "yesterday", "2024-02-30T00:00:00Z", "2024-01-15T10:30:00,5Z"} {
		edit, wrote := edited(chat1, "msg1", "a", at), edited(chat1, "msg1", "a", wroteAt)
		wrote.Message.CreatedAt = at
		for _, e := range []messages.Event{
			edit, wrote, deleted(chat1, "msg1", at), seenBy(chat1, "agent1", at), told(chat1, messages.ChatOpened, at),
		} {
			var permanent *messages.PermanentError
			if _, err := saveAny(t, s, e); !errors.As(err, &permanent) || permanent.Reason != messages.ReasonUndecodable {
				t.Errorf("%T at %q: %v, want a permanent error", e, at, err)
			}
		}
	}
	if known, _, err := s.Seen(t.Context(), chat1, "msg1"); known || err != nil {
		t.Errorf("the chat is known: %v, %v", known, err)
	}
}
