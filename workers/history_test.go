package workers_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

func TestAnUploadStandsInTheHistoryAsAFile(t *testing.T) {
	s := openStore(t)
	e := uploaded()
	if err := (&workers.History{Store: s}).HandleUpload(t.Context(), seal(t, e), e); err != nil {
		t.Fatal(err)
	}
	page, err := s.Page(t.Context(), store.Query{Chat: e.Chat, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Entry{{Message: messages.Message{
		ID: e.File.ID, Type: "file", File: &e.File,
		Author: messages.Author{ID: "user-1", Type: "user"}, CreatedAt: "2026-01-02T03:05:00.000Z",
	}}}
	if diff := cmp.Diff(want, page.Entries); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// failingStore fails as it is told.
type failingStore struct{ err error }

func (f failingStore) SaveMessage(context.Context, string, messages.MessageReceived) (bool, error) {
	return false, f.err
}

func (f failingStore) SaveReceipt(context.Context, string, messages.DeliveryUpdated) (messages.Status, bool, error) {
	return "", false, f.err
}

func TestWhatNoStoreCanKeepIsPermanent(t *testing.T) {
	history := &workers.History{Store: failingStore{}}
	delivery := &workers.Delivery{Store: failingStore{}}
	message := func(change func(*messages.MessageReceived)) error {
		e := received()
		change(&e)
		return history.Handle(t.Context(), seal(t, e), e)
	}
	receipt := func(e messages.DeliveryUpdated) error { return delivery.Handle(t.Context(), seal(t, e), e) }
	tests := map[string]struct {
		err    error
		reason string
	}{
		"message without chat":   {message(func(e *messages.MessageReceived) { e.ChatID = "" }), "undecodable"},
		"message without id":     {message(func(e *messages.MessageReceived) { e.Message.ID = "" }), "undecodable"},
		"message without time":   {message(func(e *messages.MessageReceived) { e.Message.CreatedAt = "yesterday" }), "undecodable"},
		"receipt, strange state": {receipt(messages.DeliveryUpdated{Origin: origin(), MessageID: "m", Status: "lost"}), "refused"},
		"receipt for nothing":    {receipt(messages.DeliveryUpdated{Origin: origin(), Status: messages.Sent}), "undecodable"},
	}
	for name, tt := range tests {
		var final *messages.PermanentError
		if !errors.As(tt.err, &final) || final.Reason != tt.reason {
			t.Errorf("%s: error %v, want permanent %s", name, tt.err, tt.reason)
		}
	}
}

func TestAnOutageOfTheStoreIsSpokenOn(t *testing.T) {
	down := failingStore{err: messages.Unavailable(errors.New("disk full"))}
	e := received()
	if err := (&workers.History{Store: down}).Handle(t.Context(), seal(t, e), e); !messages.IsUnavailable(err) {
		t.Errorf("history: %v", err)
	}
	r := messages.DeliveryUpdated{Origin: origin(), MessageID: "m", Status: messages.Sent}
	if err := (&workers.Delivery{Store: down}).Handle(t.Context(), seal(t, r), r); !messages.IsUnavailable(err) {
		t.Errorf("delivery: %v", err)
	}
}
