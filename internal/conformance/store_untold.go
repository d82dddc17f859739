package conformance

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// about is what may be told about one message, each at most once.
type about struct {
	wrote, told, silent bool // the message; an edit that tells author and visibility; a newer one that tells neither
	gone, place         bool // its removal, without its place and with it
}

// untoldInAnyOrder writes every choice of what may be told about a message in every order, each in a chat of its own.
func untoldInAnyOrder(t *testing.T, s S) {
	n := 0
	for choice := 1; choice < 1<<5; choice++ {
		a := about{choice&1 != 0, choice&2 != 0, choice&4 != 0, choice&8 != 0, choice&16 != 0}
		order := make([]int, len(a.events(chat1)))
		for i := range order {
			order[i] = i
		}
		permute(order, func(order []int) {
			chat := chat1
			chat.ChatID = fmt.Sprint("chat", n)
			n++
			events := a.events(chat)
			for _, i := range order {
				if _, err := saveAny(t, s, events[i]); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(a.page(), pageIfAny(t, s, chat)); diff != "" {
				t.Errorf("%+v in the order %v: %s", a, order, diff)
			}
			for _, i := range order {
				if changed, err := saveAny(t, s, events[i]); changed || err != nil {
					t.Errorf("%+v in the order %v: %T again: %v, %v", a, order, events[i], changed, err)
				}
			}
		})
	}
}

// pageIfAny is the zero page where the chat is unknown.
func pageIfAny(t *testing.T, s S, chat messages.Chat) store.Page {
	t.Helper()
	if known, _, err := s.Seen(t.Context(), chat, "msg1"); !known && err == nil {
		return store.Page{}
	}
	return mustPage(t, s, store.Query{Chat: chat, Limit: 2})
}

func (a about) events(chat messages.Chat) []messages.Event {
	wrote := received(chat, "msg1", wroteAt)
	told := edited(chat, "msg1", "told", "2024-01-15T10:40:00Z")
	told.Message.Author, told.Message.Internal = messages.Author{ID: "agent1", Type: messages.AuthorAgent}, true
	silent := edited(chat, "msg1", "silent", "2024-01-15T10:41:00Z")
	silent.KeepsAuthor, silent.KeepsVisibility = true, true
	silent.Message.Author, silent.Message.Internal = messages.Author{}, true
	gone := deleted(chat, "msg1", "2024-01-15T10:42:00Z")
	open, place := false, gone
	place.Place = &messages.Place{Type: messages.MessageText, Author: &wrote.Message.Author, Internal: &open, CreatedAt: wroteAt}
	var events []messages.Event
	for _, e := range []struct {
		comes bool
		event messages.Event
	}{{a.wrote, wrote}, {a.told, told}, {a.silent, silent}, {a.gone, gone}, {a.place, place}} {
		if e.comes {
			events = append(events, e.event)
		}
	}
	return events
}

// page is what has to come of it, in any order.
func (a about) page() store.Page {
	if !a.wrote && !a.told && !a.silent && !a.place {
		return store.Page{}
	}
	text := func(s string) *string { return &s }
	e := store.Entry{Message: messages.Message{ID: "msg1", Type: messages.MessageText, Internal: true, CreatedAt: wroteAt}}
	switch {
	case a.told:
		e.Author = messages.Author{ID: "agent1", Type: messages.AuthorAgent}
	case a.wrote, a.place:
		e.Author, e.Internal = messages.Author{ID: "visitor1", Type: messages.AuthorVisitor}, false
	}
	switch {
	case a.silent:
		e.Text, e.EditedAt = text("edit silent of msg1"), "2024-01-15T10:41:00Z"
	case a.told:
		e.Text, e.EditedAt = text("edit told of msg1"), "2024-01-15T10:40:00Z"
	case a.wrote:
		e.Text = text("text of msg1")
	}
	if a.gone || a.place {
		e.Text, e.DeletedAt = nil, "2024-01-15T10:42:00Z"
	}
	return store.Page{Entries: []store.Entry{e}, Total: 1}
}
