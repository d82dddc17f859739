package conformance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// retentionExact deletes in small steps and holds every chat, also another tenant's, against a sorted slice after each.
func retentionExact(t *testing.T, s S) {
	const seed = 20240115
	rnd := rand.New(rand.NewPCG(seed, 2))
	chats := []messages.Chat{chat1, likeChat1()[2], likeChat1()[0]} // the last is another tenant's
	model := map[messages.Chat][]modelled{}
	for i := range 240 {
		chat, at := chats[rnd.IntN(len(chats))], randomTime(rnd)
		e := received(chat, fmt.Sprint("msg", i), at.Format(time.RFC3339Nano))
		mustSave(t, s, e)
		model[chat] = append(model[chat], modelled{e.Message.ID, at.UnixMicro()})
	}
	for _, all := range model {
		sort.SliceStable(all, func(i, j int) bool { return all[i].us < all[j].us })
	}
	hold := func(step string) {
		for chat, all := range model {
			for _, q := range []store.Query{
				{Chat: chat, Limit: 7},
				{Chat: chat, Limit: 50, From: january(1969, 1), To: january(1971, 1)},
			} {
				if len(all) > 0 && !agrees(t, s, q, all) {
					t.Fatalf("seed %d, %s: %v", seed, step, chat)
				}
			}
			if _, err := s.Page(t.Context(), store.Query{Chat: chat, Limit: 1}); (len(all) == 0) != errors.Is(err, store.ErrUnknownChat) {
				t.Fatalf("%s: Page of %d messages: %v", step, len(all), err)
			}
		}
	}
	// A message of the very moment stays. The last moment is after all.
	moments := []time.Time{january(1969, 1), time.UnixMicro(model[chat1][len(model[chat1])/2].us), january(1970, 2), january(1980, 1)}
	for _, before := range moments {
		for _, limit := range []int{0, 1, 13, 13, 1000} {
			older := 0
			for _, chat := range chats[:2] {
				for _, m := range model[chat] {
					if m.us < before.UnixMicro() {
						older++
					}
				}
			}
			d, err := s.DeleteOlder(t.Context(), chat1.Tenant, before, limit)
			n := d.Messages
			if err != nil || n != min(older, limit) {
				t.Fatalf("before %v, limit %d: %d, %v, want %d", before, limit, n, err, min(older, limit))
			}
			gone := 0
			for _, chat := range chats[:2] {
				left := stored(t, s, chat, model[chat])
				gone += len(model[chat]) - len(left)
				model[chat] = left
			}
			if gone != n {
				t.Fatalf("%d messages are gone, told %d", gone, n)
			}
			hold(fmt.Sprint("before ", before, " limit ", limit))
		}
	}
}

// stored is what is left of a chat; it has to be its newest.
func stored(t *testing.T, s S, chat messages.Chat, all []modelled) []modelled {
	t.Helper()
	page, err := s.Page(t.Context(), store.Query{Chat: chat, Limit: 1000})
	if errors.Is(err, store.ErrUnknownChat) {
		return nil
	}
	left := all[len(all)-len(page.Entries):]
	want := []string{}
	for _, m := range left {
		want = append(want, m.id)
	}
	if diff := cmp.Diff(want, ids(page.Entries)); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	return left
}

// retentionForgets writes one message with all that may hang on it: when it comes again after it was deleted, it is as new.
func retentionForgets(t *testing.T, s S) {
	full := func(chat messages.Chat, file string) {
		e := received(chat, "msg1", wroteAt)
		e.Message.File, e.Message.AuthorGuessed = &messages.File{ID: file}, true
		mustSave(t, s, e)
		mustChange(t, s, edited(chat, "msg1", "a", "2024-01-15T10:40:00Z"))
		report := updated(chat, "msg1", messages.Delivered)
		report.At = map[messages.Status]string{messages.Delivered: wroteAt}
		mustReport(t, s, report)
		mustChange(t, s, seenBy(chat, "agent1", "2024-01-15T11:00:00Z"))
		mustChange(t, s, told(chat, messages.ChatOpened, wroteAt, messages.Person{ID: "visitor1", Type: "agent"}))
		mustChange(t, s, deleted(chat, "msg2", wroteAt)) // never comes
		if _, err := s.DecideMedia(t.Context(), decidedMedia(chat, file)); err != nil {
			t.Fatal(err)
		}
	}
	other := likeChat1()[0]
	full(chat1, "media_1")
	full(other, "media_2")
	before := mustPage(t, s, store.Query{Chat: other, Limit: 1})
	if d, err := s.DeleteOlder(t.Context(), chat1.Tenant, january(2024, 16), 10); d.Messages != 1 || err != nil {
		t.Fatalf("DeleteOlder = %+v, %v, want 1", d, err)
	}
	if _, err := s.Conversation(t.Context(), chat1); !errors.Is(err, store.ErrUnknownChat) {
		t.Errorf("Conversation = %v, want ErrUnknownChat", err)
	}
	if _, err := s.Media(t.Context(), "media_1"); !errors.Is(err, store.ErrUnknownMedia) {
		t.Errorf("Media = %v, want ErrUnknownMedia", err)
	}
	if _, err := s.Receipt(t.Context(), chat1, "msg1"); !errors.Is(err, store.ErrUnknownReceipt) {
		t.Errorf("Receipt = %v, want ErrUnknownReceipt", err)
	}
	for _, id := range []string{"msg1", "msg2"} {
		e := received(chat1, id, wroteAt)
		e.Message.AuthorGuessed = true
		mustSave(t, s, e)
		if diff := cmp.Diff(store.Entry{Message: e.Message}, mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0]); diff != "" {
			t.Errorf("%s is not as new: %s", id, diff)
		}
	}
	mustChange(t, s, edited(chat1, "msg1", "a", "2024-01-15T10:40:00Z")) // nothing remembers its event
	if diff := cmp.Diff(before, mustPage(t, s, store.Query{Chat: other, Limit: 1})); diff != "" {
		t.Errorf("another tenant's: %s", diff)
	}
	if m, err := s.Media(t.Context(), "media_2"); err != nil {
		t.Errorf("another tenant's media: %+v, %v", m, err)
	}
	t.Run("in a chat that goes on", func(t *testing.T) { retentionOfOne(t, s) })
	t.Run("what happened since stays", func(t *testing.T) { retentionKeepsLiving(t, s) })
}

// retentionOfOne: what hung on a message is gone with it while the chat and its other messages stay.
func retentionOfOne(t *testing.T, s S) {
	chat := messages.Chat{Tenant: messages.Tenant{Org: "org8", LiveChat: "lc8"}, ChatID: "chat1"}
	newer := received(chat, "msg2", "2024-01-20T00:00:00Z")
	mustSave(t, s, newer)
	mustReport(t, s, updated(chat, "msg2", messages.Sent))
	mustChange(t, s, edited(chat, "msg2", "a", "2024-01-20T00:01:00Z"))
	e := received(chat, "msg1", wroteAt)
	for range 2 { // the second time it is as new
		mustSave(t, s, e)
		if diff := cmp.Diff(store.Entry{Message: e.Message}, mustPage(t, s, store.Query{Chat: chat, Limit: 2}).Entries[0]); diff != "" {
			t.Errorf("not as new: %s", diff)
		}
		report := updated(chat, "msg1", messages.Delivered)
		report.At = map[messages.Status]string{messages.Delivered: wroteAt}
		mustReport(t, s, report)
		if r, err := s.Receipt(t.Context(), chat, "msg1"); len(r.At) != 1 || err != nil {
			t.Errorf("Receipt = %+v, %v", r, err)
		}
		mustChange(t, s, edited(chat, "msg1", "a", "2024-01-15T10:40:00Z"))
		mustChange(t, s, deleted(chat, "msg1", "2024-01-15T10:41:00Z"))
		if d, err := s.DeleteOlder(t.Context(), chat.Tenant, january(2024, 16), 10); d.Messages != 1 || err != nil {
			t.Fatalf("DeleteOlder = %+v, %v, want 1", d, err)
		}
		if _, err := s.Receipt(t.Context(), chat, "msg1"); !errors.Is(err, store.ErrUnknownReceipt) {
			t.Errorf("Receipt = %v, want ErrUnknownReceipt", err)
		}
	}
	mustReport(t, s, updated(chat, "msg1", messages.Sent)) // alone, without the time of the one before
	if r, err := s.Receipt(t.Context(), chat, "msg1"); len(r.At) != 0 || err != nil {
		t.Errorf("Receipt = %+v, %v, want no times", r, err)
	}
	entries := mustPage(t, s, store.Query{Chat: chat, Limit: 2}).Entries
	if len(entries) != 1 || entries[0].Status != messages.Sent || entries[0].EditedAt == "" {
		t.Errorf("the newer message: %+v", entries)
	}
}

// retentionKeepsLiving: a chat that was opened again stays known, with its people, until that is too old as well.
func retentionKeepsLiving(t *testing.T, s S) {
	chat := messages.Chat{Tenant: messages.Tenant{Org: "org9", LiveChat: "lc9"}, ChatID: "chat1"}
	mustSave(t, s, received(chat, "msg1", wroteAt))
	mustChange(t, s, told(chat, messages.ChatOpened, "2024-01-20T00:00:00Z", messages.Person{ID: "a", Type: "agent"}))
	for _, step := range []struct {
		before time.Time
		people int
	}{{january(2024, 16), 1}, {january(2024, 20), 1}, {january(2024, 21), 0}} {
		if _, err := s.DeleteOlder(t.Context(), chat.Tenant, step.before, 10); err != nil {
			t.Fatal(err)
		}
		c, err := s.Conversation(t.Context(), chat)
		if len(c.People) != step.people || (step.people == 0) != errors.Is(err, store.ErrUnknownChat) {
			t.Errorf("before %v: %+v, %v", step.before, c, err)
		}
	}
}

// retentionTogether deletes what is older while messages of both sides of the moment come to the same chats.
func retentionTogether(t *testing.T, s S) {
	const each = 60
	chats := []messages.Chat{chat1, likeChat1()[2]}
	var g errgroup.Group
	for w := range 3 {
		g.Go(func() error {
			for i := range each {
				at := january(2024, 1+i%20).Add(time.Duration(i) * time.Second)
				e := received(chats[i%2], fmt.Sprint("msg", w, "-", i), at.Format(time.RFC3339))
				if saved, err := s.SaveMessage(t.Context(), eventID(e), e); err != nil || !saved {
					return fmt.Errorf("SaveMessage = %v, %w", saved, err)
				}
			}
			return nil
		})
	}
	deleted := make([]store.Deleted, 2)
	for d := range deleted {
		g.Go(func() error {
			for range 30 {
				of, err := s.DeleteOlder(t.Context(), chat1.Tenant, january(2024, 11), 5)
				if err != nil {
					return err
				}
				deleted[d].Add(of)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	rest, err := s.DeleteOlder(t.Context(), chat1.Tenant, january(2024, 11), 1000)
	if got := deleted[0].Messages + deleted[1].Messages + rest.Messages; err != nil || got != 3*each/2 {
		t.Errorf("%d messages were deleted (%v), want %d", got, err, 3*each/2)
	}
	for _, chat := range chats {
		expectCount(t, s, chat, 3*each/4)
	}
}
