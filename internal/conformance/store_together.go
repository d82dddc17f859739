package conformance

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// chatTogether saves many messages of one chat and of one visitor at once, twice each, beside their receipts and beside
// another chat of the same visitor. Nothing waits forever, and every counter is exact.
func chatTogether(t *testing.T, s S) {
	const n, days = 150, 3
	other := likeChat1()[2] // the same tenant, so the visitor is the same one
	var saved atomic.Int32
	var g errgroup.Group
	for i := range 2 * n {
		id := fmt.Sprint("msg", i/2)
		e := received(chat1, id, january(2024, 1+i/2%days).Add(time.Duration(i)*time.Second).Format(time.RFC3339))
		e.Visitor = &messages.Visitor{ID: "visitor1", Name: fmt.Sprintf("name %03d", i), Email: "jon@example.com"}
		g.Go(func() error {
			ok, err := s.SaveMessage(t.Context(), eventID(e), e)
			if ok {
				saved.Add(1)
			}
			return err
		})
		g.Go(func() error {
			_, _, err := s.SaveReceipt(t.Context(), "evt_r", updated(chat1, id, messages.Delivered))
			return err
		})
		there := e
		there.ChatID = other.ChatID
		g.Go(func() error {
			_, err := s.SaveMessage(t.Context(), eventID(there), there)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if saved.Load() != n {
		t.Errorf("%d calls saved one of %d messages", saved.Load(), n)
	}
	expectCount(t, s, chat1, n)
	expectCount(t, s, other, n)
	for day := range days {
		q := store.Query{Chat: chat1, Limit: n, From: january(2024, 1+day), To: january(2024, 2+day).Add(-1)}
		page := mustPage(t, s, q)
		if page.Total != n/days || len(page.Entries) != n/days {
			t.Errorf("day %d: total %d, %d entries, want %d", day, page.Total, len(page.Entries), n/days)
		}
		for _, e := range page.Entries {
			if e.Status != messages.Delivered {
				t.Errorf("%s has status %q", e.ID, e.Status)
			}
		}
	}
	// The newest message that was saved had the name; either copy of it may have been first.
	got, err := s.Visitor(t.Context(), chat1.Tenant, "visitor1")
	if err != nil || got.Email != "jon@example.com" || got.Name < fmt.Sprintf("name %03d", 2*(n-1)) {
		t.Errorf("Visitor = %+v, %v", got, err)
	}
}

// walkTogether walks the pages of one moment while more messages of that moment come: what was there before the walk is
// met once each, in order, and a page and its total are of one moment.
func walkTogether(t *testing.T, s S) {
	const at, before, writers, each = "2024-01-15T10:30:00Z", 60, 4, 100
	want := []string{}
	for i := range before {
		id := fmt.Sprint("old", i)
		mustSave(t, s, received(chat1, id, at))
		want = append(want, id)
	}
	// The writers stop by themselves: reading every page costs more with each message, and unbounded ones would outrun it.
	var g errgroup.Group
	var writing atomic.Int32
	writing.Store(writers)
	for w := range writers {
		g.Go(func() error {
			defer writing.Add(-1)
			for i := range each {
				e := received(chat1, fmt.Sprint("new", w, "-", i), at)
				if _, err := s.SaveMessage(t.Context(), eventID(e), e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for again := true; again; again = writing.Load() > 0 {
		met := map[string]int{}
		var old []string
		for q := (store.Query{Chat: chat1, Limit: 7}); ; {
			page := mustPage(t, s, q)
			var here []string
			for _, id := range ids(page.Entries) {
				met[id]++
				if id[0] == 'o' {
					here = append(here, id)
				}
			}
			old = append(here, old...)
			if page.Next.IsZero() {
				break
			}
			q.Before = page.Next
		}
		if diff := cmp.Diff(want, old); diff != "" {
			t.Error(diff)
		}
		for id, times := range met {
			if times != 1 {
				t.Errorf("%s was met %d times", id, times)
			}
		}
		for range 20 {
			if page := mustPage(t, s, store.Query{Chat: chat1, Limit: 1_000_000}); page.Total != int64(len(page.Entries)) {
				t.Errorf("%d entries, total %d", len(page.Entries), page.Total)
			}
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// reportsTogether sends one report eleven times at once, then all statuses of another message at once.
func reportsTogether(t *testing.T, s S) {
	var changes atomic.Int32
	send := func(g *errgroup.Group, id string, status messages.Status) {
		g.Go(func() error {
			state, changed, err := s.SaveReceipt(t.Context(), "evt_"+string(status), updated(chat1, id, status))
			got, _ := state.Rank()
			reported, _ := status.Rank()
			if err == nil && (got < reported || changed && got != reported) {
				err = fmt.Errorf("after %s: %s, %v", status, state, changed)
			}
			if changed {
				changes.Add(1)
			}
			return err
		})
	}
	var one, all errgroup.Group
	for range 11 {
		send(&one, "msg1", messages.Sent)
	}
	if err := one.Wait(); err != nil || changes.Load() != 1 {
		t.Errorf("%d of 11 equal reports changed the state (%v), want 1", changes.Load(), err)
	}
	for range 5 {
		for _, status := range messages.Statuses() {
			send(&all, "msg2", status)
		}
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Receipt(t.Context(), chat1, "msg2"); got.Status != messages.Read || err != nil {
		t.Errorf("Receipt = %+v, %v, want read", got, err)
	}
	if n := changes.Load() - 1; n < 1 || n > int32(len(messages.Statuses())) {
		t.Errorf("%d changes on the way through the statuses", n)
	}
}
