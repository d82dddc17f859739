package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func messageComesBack(t *testing.T, s S) {
	empty, odd := "", "NUL \x00, quote ', emoji \U0001F642, end"
	for i, m := range []messages.Message{
		{Type: messages.MessageText, Text: &odd, CreatedAt: "2024-01-15T10:30:00.1234567+05:30"},
		{Type: messages.MessageText, Text: &empty, CreatedAt: "2024-01-15T10:31:00Z"},
		{Type: "form", CreatedAt: "2024-01-15T10:32:00.000Z"},
		{Type: messages.MessageFile, CreatedAt: "2024-01-15T10:33:00Z", File: &messages.File{
			ID: "media_1", Name: "a.png", ContentType: "image/png", Size: 1 << 40, Extension: ".png",
		}},
	} {
		t.Run(fmt.Sprint(m.Type, i), func(t *testing.T) {
			chat := chat1
			chat.ChatID = fmt.Sprint("chat", i)
			m.ID, m.Author = "msg1", messages.Author{ID: "agent'1", Type: "agent"}
			e := received(chat, "", "")
			e.Message = m
			mustSave(t, s, e)
			want := store.Page{Entries: []store.Entry{{Message: m}}, Total: 1}
			if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: chat, Limit: 10})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func messageOnce(t *testing.T, s S) {
	e := received(chat1, "msg1", "2024-01-15T10:30:00Z")
	var saved atomic.Int32
	var g errgroup.Group
	for range 11 {
		g.Go(func() error {
			ok, err := s.SaveMessage(t.Context(), eventID(e), e)
			if ok {
				saved.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := saved.Load(); n != 1 {
		t.Errorf("%d of 11 calls saved the message, want 1", n)
	}
	expectCount(t, s, chat1, 1)
}

// expectCount holds the rows of a chat against its counters: the chat's own and those of its days.
func expectCount(t *testing.T, s S, chat messages.Chat, want int) {
	t.Helper()
	for name, q := range map[string]store.Query{
		"whole chat": {Chat: chat, Limit: want + 1},
		"all days":   {Chat: chat, Limit: want + 1, From: january(0, 1), To: january(10_000, 1).Add(-1)},
	} {
		page := mustPage(t, s, q)
		if len(page.Entries) != want || page.Total != int64(want) {
			t.Errorf("%s: %d entries and total %d, want %d", name, len(page.Entries), page.Total, want)
		}
	}
}

func messageUniqueInChat(t *testing.T, s S) {
	first := received(chat1, "msg1", "2024-01-15T10:30:00Z")
	mustSave(t, s, first)
	again := received(chat1, "msg1", "2024-01-16T10:30:00Z")
	again.User = "user2" // another registration of the same chat
	if saved, err := s.SaveMessage(t.Context(), "evt_other", again); err != nil || saved {
		t.Errorf("the same message by another event: %v, %v, want false", saved, err)
	}
	other := received(chat1, "msg2", "2024-01-16T10:30:00Z")
	if saved, err := s.SaveMessage(t.Context(), eventID(first), other); err != nil || saved {
		t.Errorf("another message by the same event: %v, %v, want false", saved, err)
	}
	page := mustPage(t, s, store.Query{Chat: chat1, Limit: 10})
	if diff := cmp.Diff([]store.Entry{{Message: first.Message}}, page.Entries); diff != "" {
		t.Error(diff)
	}
	expectCount(t, s, chat1, 1)
}

func messageWithoutTime(t *testing.T, s S) {
	for _, createdAt := range []string{"", "yesterday", "2024-01-15 10:30:00", "2024-02-30T00:00:00Z"} {
		_, err := s.SaveMessage(t.Context(), "evt_1", received(chat1, "msg1", createdAt))
		var permanent *messages.PermanentError
		if !errors.As(err, &permanent) {
			t.Errorf("created_at %q: %v, want a permanent error", createdAt, err)
		}
	}
	if known, _, err := s.Seen(t.Context(), chat1, "msg1"); known || err != nil {
		t.Errorf("the chat is known: %v, %v", known, err)
	}
}

func visitorInAnyOrder(t *testing.T, s S) {
	told := []messages.MessageReceived{
		received(chat1, "msg1", "2024-01-15T10:30:00Z"),
		received(chat1, "msg2", "2024-01-15T10:31:00Z"),
		received(chat1, "msg3", "2024-01-15T10:31:00Z"), // a tie: the greater name wins
		received(chat1, "msg4", "2024-01-15T10:32:00Z"),
	}
	told[0].Visitor = &messages.Visitor{Name: "Jon", Email: "jon@example.com"}
	told[1].Visitor = &messages.Visitor{Name: "John"}
	told[2].Visitor = &messages.Visitor{Name: "Johnny"}
	told[3].Visitor = &messages.Visitor{}
	for i := range 10 {
		id := fmt.Sprint("visitor", i)
		for _, n := range rand.New(rand.NewPCG(1, uint64(i))).Perm(len(told)) {
			e, v := told[n], *told[n].Visitor
			e.ChatID, v.ID = fmt.Sprint("chat", i), id
			e.Visitor = &v
			mustSave(t, s, e)
		}
		got, err := s.Visitor(t.Context(), chat1.Tenant, id)
		want := messages.Visitor{ID: id, Name: "Johnny", Email: "jon@example.com"}
		if got != want || err != nil {
			t.Errorf("Visitor = %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := s.Visitor(t.Context(), messages.Tenant{Org: "org2", LiveChat: "lc1"}, "visitor1"); !errors.Is(err, store.ErrUnknownVisitor) {
		t.Errorf("another tenant's visitor: %v, want ErrUnknownVisitor", err)
	}
}

// likeChat1 are chats that differ from chat1 in one name, or only in where one name ends and the next begins.
func likeChat1() []messages.Chat {
	return []messages.Chat{
		{Tenant: messages.Tenant{Org: "org2", LiveChat: "lc1"}, ChatID: "chat1"},
		{Tenant: messages.Tenant{Org: "org1", LiveChat: "lc2"}, ChatID: "chat1"},
		{Tenant: messages.Tenant{Org: "org1", LiveChat: "lc1"}, ChatID: "chat2"},
		{Tenant: messages.Tenant{Org: "org1l", LiveChat: "c1"}, ChatID: "chat1"},
		{Tenant: messages.Tenant{Org: "ORG1", LiveChat: "lc1"}, ChatID: "chat1"},
	}
}

func tenantsApart(t *testing.T, s S) {
	mustSave(t, s, received(chat1, "msg1", "2024-01-15T10:30:00Z"))
	for _, other := range likeChat1() {
		if _, err := s.Page(t.Context(), store.Query{Chat: other, Limit: 10}); !errors.Is(err, store.ErrUnknownChat) {
			t.Errorf("Page(%v) = %v, want ErrUnknownChat", other, err)
		}
		if known, message, err := s.Seen(t.Context(), other, "msg1"); known || message || err != nil {
			t.Errorf("Seen(%v) = %v, %v, %v, want nothing", other, known, message, err)
		}
	}
	for _, other := range likeChat1() {
		mustSave(t, s, received(other, "msg1", "2024-01-15T10:30:00Z"))
	}
	expectCount(t, s, chat1, 1)
}

func seenChatAndMessage(t *testing.T, s S) {
	mustSave(t, s, received(chat1, "msg1", "2024-01-15T10:30:00Z"))
	for id, want := range map[string]bool{"msg1": true, "msg2": false, "": false} {
		chatKnown, messageKnown, err := s.Seen(t.Context(), chat1, id)
		if !chatKnown || messageKnown != want || err != nil {
			t.Errorf("Seen(%q) = %v, %v, %v, want true, %v", id, chatKnown, messageKnown, err, want)
		}
	}
}

// calls makes every call of a store once.
func calls(ctx context.Context, s S) map[string]error {
	errs := map[string]error{"Health": s.Health(ctx)}
	_, errs["SaveMessage"] = s.SaveMessage(ctx, "evt_1", received(chat1, "msg1", "2024-01-15T10:30:00Z"))
	_, _, errs["SaveReceipt"] = s.SaveReceipt(ctx, "evt_2", updated(chat1, "msg1", messages.Sent))
	_, errs["Page"] = s.Page(ctx, store.Query{Chat: chat1, Limit: 1})
	_, _, errs["Seen"] = s.Seen(ctx, chat1, "msg1")
	_, errs["Receipt"] = s.Receipt(ctx, chat1, "msg1")
	_, errs["Visitor"] = s.Visitor(ctx, chat1.Tenant, "visitor1")
	_, errs["SaveEdit"] = s.SaveEdit(ctx, "evt_4", edited(chat1, "msg1", "a", "2024-01-15T10:31:00Z"))
	_, errs["SaveDeletion"] = s.SaveDeletion(ctx, "evt_5", deleted(chat1, "msg1", "2024-01-15T10:32:00Z"))
	_, errs["SaveSeen"] = s.SaveSeen(ctx, "evt_6", seenBy(chat1, "agent1", "2024-01-15T10:33:00Z"))
	_, errs["SaveConversation"] = s.SaveConversation(ctx, "evt_7", told(chat1, messages.ChatOpened, "2024-01-15T10:29:00Z"))
	_, errs["Conversation"] = s.Conversation(ctx, chat1)
	_, errs["Differs"] = s.Differs(ctx, received(chat1, "msg1", "2024-01-15T10:30:00Z"))
	_, _, errs["PersonType"] = s.PersonType(ctx, chat1, "agent1")
	_, _, errs["IsNote"] = s.IsNote(ctx, chat1, "msg1")
	_, errs["DeleteOlder"] = s.DeleteOlder(ctx, chat1.Tenant, january(2020, 1), 10)
	_, errs["DecideMedia"] = s.DecideMedia(ctx, decidedMedia(chat1, "media_1"))
	_, errs["Media"] = s.Media(ctx, "media_1")
	_, errs["Dispatched"] = s.Dispatched(ctx, "evt_3")
	errs["MarkDispatched"] = s.MarkDispatched(ctx, "evt_3", "crm", time.Now())
	errs["SaveAccount"] = s.SaveAccount(ctx, account(chat1.Tenant, "a", accountAt))
	errs["RemoveCredential"] = s.RemoveCredential(ctx, chat1.Tenant, "cred_a")
	_, errs["LearnOrganization"] = s.LearnOrganization(ctx, chat1.Tenant, "organization")
	_, errs["AccountsOf"] = s.AccountsOf(ctx, "organization")
	errs["RemoveAccount"] = s.RemoveAccount(ctx, chat1.Tenant)
	_, errs["Account"] = s.Account(ctx, chat1.Tenant)
	_, errs["Accounts"] = s.Accounts(ctx)
	_, errs["AnyAccountEver"] = s.AnyAccountEver(ctx)
	return errs
}

func contextPasses(t *testing.T, s S) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for want, ctx := range map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: late} {
		for call, err := range calls(ctx, s) {
			if !errors.Is(err, want) || messages.IsUnavailable(err) {
				t.Errorf("%s: %v, want the context's error and no outage", call, err)
			}
		}
	}
	if known, _, err := s.Seen(t.Context(), chat1, "msg1"); known || err != nil {
		t.Errorf("Seen = %v, %v: a call without a context wrote", known, err)
	}
}

func closedIsOutage(t *testing.T, s S) {
	if err := s.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for call, err := range calls(t.Context(), s) {
		if !messages.IsUnavailable(err) {
			t.Errorf("%s: %v, want an outage", call, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
