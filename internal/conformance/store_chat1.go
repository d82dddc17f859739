package conformance

import (
	"errors"
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// What the tests that a store has of its own begin with too.

// Chat1 is the usual chat of the suite.
var Chat1 = chat1

// Received is a message in Chat1.
func Received(id string) messages.MessageReceived { return received(Chat1, id, wroteAt) }

// Save stores Received(id), which must be new.
func Save(t testing.TB, s S, id string) {
	t.Helper()
	if saved, err := s.SaveMessage(t.Context(), "evt_"+id, Received(id)); !saved || err != nil {
		t.Fatalf("SaveMessage(%s) = %v, %v, want true", id, saved, err)
	}
}

// Count is the number of messages in Chat1, after holding the counters against the rows.
func Count(t testing.TB, s S) int {
	t.Helper()
	q := store.Query{Chat: Chat1, Limit: 1_000_000}
	whole, err := s.Page(t.Context(), q)
	if errors.Is(err, store.ErrUnknownChat) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	q.From, q.To = time.Unix(0, 0), time.Unix(1<<40, 0)
	byDays, err := s.Page(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(whole.Entries)); whole.Total != n || byDays.Total != n {
		t.Fatalf("%d rows, the chat counts %d, its days %d", n, whole.Total, byDays.Total)
	}
	return len(whole.Entries)
}
