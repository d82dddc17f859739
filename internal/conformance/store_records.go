package conformance

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func decidedMedia(chat messages.Chat, id string) store.Media {
	return store.Media{
		Chat:         chat,
		File:         messages.File{ID: id, Name: "a.png", ContentType: "image/png", Size: 1234, Extension: ".png"},
		State:        store.MediaReleased,
		ETag:         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		HasThumbnail: true,
		DecidedAt:    time.Date(2024, time.January, 15, 10, 30, 0, 123456000, time.UTC),
	}
}

func mediaFirstDecision(t *testing.T, s S) {
	if _, err := s.Media(t.Context(), "media_1"); !errors.Is(err, store.ErrUnknownMedia) {
		t.Errorf("before any decision: %v, want ErrUnknownMedia", err)
	}
	first := decidedMedia(chat1, "media_1")
	var decided atomic.Int32
	var g errgroup.Group
	for range 5 {
		g.Go(func() error {
			ok, err := s.DecideMedia(t.Context(), first)
			if ok {
				decided.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil || decided.Load() != 1 {
		t.Fatalf("%d of 5 decisions stayed (%v), want 1", decided.Load(), err)
	}
	later := store.Media{Chat: chat1, File: messages.File{ID: "media_1"}, State: store.MediaRejected, Reason: "script"}
	if ok, err := s.DecideMedia(t.Context(), later); ok || err != nil {
		t.Errorf("a later decision: %v, %v, want false", ok, err)
	}
	got, err := s.Media(t.Context(), "media_1")
	if diff := cmp.Diff(first, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func mediaJoin(t *testing.T, s S) {
	decided := decidedMedia(chat1, "media_1")
	if _, err := s.DecideMedia(t.Context(), decided); err != nil {
		t.Fatal(err)
	}
	sent := messages.File{ID: "media_1", Name: "a.png", ContentType: "image/png", Size: 5000, Extension: ".png"}
	for _, chat := range append(likeChat1(), chat1) {
		e := received(chat, "msg1", "2024-01-15T10:30:00Z")
		e.Message.Type, e.Message.Text, e.Message.File = messages.MessageFile, nil, &sent
		mustSave(t, s, e)
		want := store.Entry{Message: e.Message}
		if chat == chat1 {
			want.Media = &decided
		}
		if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: chat, Limit: 1}).Entries[0]); diff != "" {
			t.Errorf("%v: %s", chat, diff)
		}
	}
}

func dispatchOnce(t *testing.T, s S) {
	expect := func(id string, want bool) {
		t.Helper()
		if got, err := s.Dispatched(t.Context(), id); got != want || err != nil {
			t.Errorf("Dispatched(%s) = %v, %v, want %v", id, got, err, want)
		}
	}
	expect("evt_1", false)
	for range 2 {
		if err := s.MarkDispatched(t.Context(), "evt_1", "crm", time.Now()); err != nil {
			t.Fatal(err)
		}
		expect("evt_1", true)
		expect("evt_2", false)
	}
}
