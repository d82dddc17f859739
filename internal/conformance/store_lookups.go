package conformance

import (
	"testing"

	"github.com/livepipe/livepipe/messages"
)

// lookup is the answer of PersonType or of IsNote.
type lookup[T any] struct {
	is    T
	known bool
}

func expectPerson(t *testing.T, s S, chat messages.Chat, id string, want lookup[string]) {
	t.Helper()
	kind, known, err := s.PersonType(t.Context(), chat, id)
	if got := (lookup[string]{kind, known}); got != want || err != nil {
		t.Errorf("PersonType(%v, %s) = %+v, %v, want %+v", chat, id, got, err, want)
	}
}

func expectNote(t *testing.T, s S, chat messages.Chat, id string, want lookup[bool]) {
	t.Helper()
	note, known, err := s.IsNote(t.Context(), chat, id)
	if got := (lookup[bool]{note, known}); got != want || err != nil {
		t.Errorf("IsNote(%v, %s) = %+v, %v, want %+v", chat, id, got, err, want)
	}
}

func personKnown(t *testing.T, s S) {
	expectPerson(t, s, chat1, "a", lookup[string]{})
	mustChange(t, s, told(chat1, messages.ChatOpened, "2024-01-15T10:40:00Z",
		messages.Person{ID: "a", Type: "agent"}, messages.Person{ID: "b", Type: "\x00 \U0001F642"}))
	expectPerson(t, s, chat1, "a", lookup[string]{"agent", true})
	expectPerson(t, s, chat1, "b", lookup[string]{"\x00 \U0001F642", true})
	for _, nobody := range []string{"", "A", "c", "a\x00"} {
		expectPerson(t, s, chat1, nobody, lookup[string]{})
	}
	mustChange(t, s, told(chat1, messages.PersonAdded, "2024-01-15T10:41:00Z", messages.Person{ID: "a", Type: "bot"}))
	mustChange(t, s, told(chat1, messages.PersonAdded, "2024-01-15T10:39:00Z", messages.Person{ID: "a", Type: "visitor"}))
	expectPerson(t, s, chat1, "a", lookup[string]{"bot", true})
	left := told(chat1, messages.PersonRemoved, "2024-01-15T10:42:00Z")
	left.Removed = "a"
	mustChange(t, s, left)
	expectPerson(t, s, chat1, "a", lookup[string]{"bot", true}) // whoever left wrote what they wrote
}

func noteKnown(t *testing.T, s S) {
	expectNote(t, s, chat1, "note", lookup[bool]{})
	note := received(chat1, "note", wroteAt)
	note.Message.Internal = true
	mustSave(t, s, note)
	mustSave(t, s, received(chat1, "msg", wroteAt))
	expectNote(t, s, chat1, "note", lookup[bool]{true, true})
	expectNote(t, s, chat1, "msg", lookup[bool]{false, true})
	expectNote(t, s, chat1, "", lookup[bool]{})

	hidden := edited(chat1, "msg", "a", "2024-01-15T10:40:00Z")
	hidden.Message.Internal = true
	mustChange(t, s, hidden)
	expectNote(t, s, chat1, "msg", lookup[bool]{true, true})

	mustChange(t, s, deleted(chat1, "note", "2024-01-15T10:41:00Z"))
	expectNote(t, s, chat1, "note", lookup[bool]{true, true})
	mustChange(t, s, deleted(chat1, "later", "2024-01-15T10:41:00Z"))
	expectNote(t, s, chat1, "later", lookup[bool]{})
}

func lookupsApart(t *testing.T, s S) {
	for _, other := range likeChat1() {
		note := received(other, "msg1", wroteAt)
		note.Message.Internal = true
		mustSave(t, s, note)
		mustChange(t, s, told(other, messages.ChatOpened, wroteAt, messages.Person{ID: "a", Type: "agent"}))
	}
	expectPerson(t, s, chat1, "a", lookup[string]{})
	expectNote(t, s, chat1, "msg1", lookup[bool]{})
	mustSave(t, s, received(chat1, "msg1", wroteAt))
	mustChange(t, s, told(chat1, messages.ChatOpened, wroteAt, messages.Person{ID: "a", Type: "bot"}))
	expectPerson(t, s, chat1, "a", lookup[string]{"bot", true})
	expectNote(t, s, chat1, "msg1", lookup[bool]{false, true})
	for _, other := range likeChat1() {
		expectPerson(t, s, other, "a", lookup[string]{"agent", true})
		expectNote(t, s, other, "msg1", lookup[bool]{true, true})
	}
}
