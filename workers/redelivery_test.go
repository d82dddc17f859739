package workers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/sqlite"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

// again handles an event 11 times, the first alone and the rest at once, as after an outage of the broker.
func again(t *testing.T, handle func(ctx context.Context) error) {
	t.Helper()
	if err := handle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := handle(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Every event type is redelivered to its worker over the real store, and has no second effect. The media worker's own
// test does the same for the file itself.
func TestRedeliveryHasNoSecondEffect(t *testing.T) {
	t.Run("message to history", func(t *testing.T) {
		s, e := openStore(t), received()
		history, env := newHistory(t, s), seal(t, e)
		again(t, func(ctx context.Context) error { return history.Handle(ctx, env, e) })
		wantMessages(t, s, e.Chat, "msg-1")
	})
	t.Run("upload to history", func(t *testing.T) {
		s, e := openStore(t), uploaded()
		history, env := newHistory(t, s), seal(t, e)
		again(t, func(ctx context.Context) error { return history.HandleUpload(ctx, env, e) })
		wantMessages(t, s, e.Chat, e.File.ID)
	})
	t.Run("receipt to delivery", func(t *testing.T) {
		s := openStore(t)
		e := messages.DeliveryUpdated{
			Origin: origin(), MessageID: "msg-1", Status: messages.Failed, Error: &messages.DeliveryError{Code: "1", Reason: "first"},
			At: map[messages.Status]string{messages.Failed: "2026-01-02T03:04:05Z"},
		}
		delivery, env := &workers.Delivery{Store: s}, seal(t, e)
		if err := delivery.Handle(t.Context(), env, e); err != nil {
			t.Fatal(err)
		}
		before, err := s.Receipt(t.Context(), e.Chat, e.MessageID)
		if err != nil {
			t.Fatal(err)
		}
		again(t, func(ctx context.Context) error { return delivery.Handle(ctx, env, e) })
		after, err := s.Receipt(t.Context(), e.Chat, e.MessageID)
		if diff := cmp.Diff(before, after); err != nil || diff != "" {
			t.Errorf("%v (-first +after):\n%s", err, diff)
		}
	})
	// wantSame handles an event once, then ten times more, and compares the history.
	wantSame := func(t *testing.T, s *sqlite.Store, handle func(ctx context.Context) error) store.Entry {
		t.Helper()
		if err := handle(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := look(t, s)
		again(t, handle)
		if diff := cmp.Diff(first, look(t, s)); diff != "" {
			t.Errorf("(-first +after):\n%s", diff)
		}
		if len(first.Entries) != 1 {
			t.Fatalf("%d entries", len(first.Entries))
		}
		return first.Entries[0]
	}
	t.Run("edit to history", func(t *testing.T) {
		s, e := openStore(t), edited()
		history, env := newHistory(t, s), seal(t, e)
		entry := wantSame(t, s, func(ctx context.Context) error { return history.HandleEdit(ctx, env, e) })
		if entry.EditedAt == "" || entry.Text == nil || *entry.Text != *e.Message.Text {
			t.Errorf("after the edit: %+v", entry)
		}
	})
	t.Run("removal to history", func(t *testing.T) {
		s, m := openStore(t), received()
		e := messages.MessageDeleted{Origin: origin(), MessageID: m.Message.ID, DeletedAt: moment}
		history, env := newHistory(t, s), seal(t, e)
		if _, err := handling(t, m, history.Handle); err != nil {
			t.Fatal(err)
		}
		entry := wantSame(t, s, func(ctx context.Context) error { return history.HandleDeletion(ctx, env, e) })
		if entry.DeletedAt == "" || entry.Text != nil {
			t.Errorf("after the removal: %+v", entry)
		}
	})
	t.Run("change to history", func(t *testing.T) {
		s := openStore(t)
		e := messages.ConversationUpdated{
			Origin: origin(), Change: messages.ChatOpened, At: moment, ThreadID: "t1", People: []messages.Person{{ID: "v1", Type: "visitor"}},
		}
		history, env := newHistory(t, s), seal(t, e)
		again(t, func(ctx context.Context) error { return history.HandleConversation(ctx, env, e) })
		c, err := s.Conversation(t.Context(), e.Chat)
		if err != nil || len(c.Changes) != 1 || len(c.People) != 1 {
			t.Errorf("%v, %+v", err, c)
		}
	})
	t.Run("seen to delivery", func(t *testing.T) {
		s, m := openStore(t), received()
		e := messages.MessagesSeen{Origin: origin(), By: "ada", UpTo: moment}
		if _, err := handling(t, m, newHistory(t, s).Handle); err != nil {
			t.Fatal(err)
		}
		delivery, env := &workers.Delivery{Store: s}, seal(t, e)
		entry := wantSame(t, s, func(ctx context.Context) error { return delivery.HandleSeen(ctx, env, e) })
		if entry.Status != messages.Read {
			t.Errorf("a message that was seen is %q", entry.Status)
		}
	})
	t.Run("message to routing", func(t *testing.T) {
		published, e := &publisher{}, received()
		routing, env := &workers.Routing{Rules: load(t, ""), Store: &lookups{}, Publisher: published, Now: time.Now}, seal(t, e)
		again(t, func(ctx context.Context) error { return routing.Handle(ctx, env, e) })
		ids := published.ids(messages.TypeDispatchRequested.Topic())
		if distinct := slices.Compact(ids); len(distinct) != 1 {
			t.Errorf("a message that came again asked for other dispatches: %v", distinct)
		}
	})
	t.Run("dispatch to dispatch", func(t *testing.T) {
		var posts atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posts.Add(1) }))
		defer server.Close()
		log, _ := journal()
		dispatch := workers.NewDispatch(workers.DispatchConfig{
			Store: openStore(t), Rules: webhooks(t, map[string]string{"crm": server.URL}, ""), Logger: log,
		})
		defer dispatch.Close()
		e := messages.DispatchRequested{Origin: origin(), Destination: "crm", Event: seal(t, received())}
		env := seal(t, e)
		again(t, func(ctx context.Context) error { return dispatch.Handle(ctx, env, e) })
		if n := posts.Load(); n != 1 {
			t.Errorf("posted %d times", n)
		}
	})
}

// look reads the whole chat.
func look(t *testing.T, s *sqlite.Store) store.Page {
	t.Helper()
	page, err := s.Page(t.Context(), store.Query{Chat: origin().Chat, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func wantMessages(t *testing.T, s interface {
	Page(ctx context.Context, q store.Query) (store.Page, error)
}, chat messages.Chat, ids ...string,
) {
	t.Helper()
	page, err := s.Page(t.Context(), store.Query{Chat: chat, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range page.Entries {
		got = append(got, entry.ID)
	}
	if diff := cmp.Diff(ids, got); diff != "" || page.Total != int64(len(ids)) {
		t.Errorf("total %d (-want +got):\n%s", page.Total, diff)
	}
}
