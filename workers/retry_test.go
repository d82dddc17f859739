package workers_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/sqlite"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

// edge is where a window of revisions begins.
var edge = time.Date(2026, 1, 2, 3, 3, 0, 0, time.UTC)

// pipeline is the way of LiveChat's webhooks: decoded as received at a moment of the test's choice, into history, and by
// the rules to one destination.
type pipeline struct {
	t        *testing.T
	store    *sqlite.Store
	history  *workers.History
	routing  *workers.Routing
	dispatch *workers.Dispatch
	asked    *publisher
	posts    int
}

func newPipeline(t *testing.T) *pipeline {
	set := webhooks(t, map[string]string{"crm": "https://crm.example"}, "")
	p := &pipeline{t: t, store: openStore(t), asked: &publisher{}}
	p.history = newHistory(t, p.store)
	p.routing = &workers.Routing{Rules: set, Store: p.store, Publisher: p.asked, Now: time.Now}
	p.dispatch = workers.NewDispatch(workers.DispatchConfig{
		Store: p.store, Rules: set, Logger: slog.New(slog.DiscardHandler),
		HTTP: roundTrip(func(*http.Request) (*http.Response, error) { p.posts++; return answer(200, "")() }),
	})
	return p
}

// receive takes a webhook on, and hands what becomes of it to every worker that wants it.
func (p *pipeline) receive(action, payload string, at time.Time) {
	p.t.Helper()
	body := fmt.Sprintf(`{"webhook_id":"w","secret_key":"s","action":%q,"organization_id":"o","payload":%s}`, action, payload)
	got, err := livechat.Channel().Endpoints[0].Actions[""].Decode(channels.Request{
		Identity: channels.Identity{Tenant: origin().Tenant, User: "user-1"}, Body: []byte(body), ReceivedAt: at,
	})
	if err != nil || len(got.Events) != 1 {
		p.t.Fatalf("%s: %d events, %v", action, len(got.Events), err)
	}
	env := seal(p.t, got.Events[0])
	var kept, routed error
	switch e := got.Events[0].(type) {
	case messages.MessageReceived:
		kept, routed = p.history.Handle(p.t.Context(), env, e), p.routing.Handle(p.t.Context(), env, e)
	case messages.MessageUpdated:
		kept, routed = p.history.HandleEdit(p.t.Context(), env, e), p.routing.HandleEdit(p.t.Context(), env, e)
	case messages.ConversationUpdated:
		kept, routed = p.history.HandleConversation(p.t.Context(), env, e), p.routing.HandleConversation(p.t.Context(), env, e)
	case messages.AccountUpdated:
		routed = p.routing.HandleAccount(p.t.Context(), env, e)
	default:
		p.t.Fatalf("%s became %T", action, e)
	}
	if err := errors.Join(kept, routed); err != nil {
		p.t.Fatalf("%s: %v", action, err)
	}
	p.deliver()
}

// deliver hands over what routing asked for.
func (p *pipeline) deliver() {
	p.t.Helper()
	topic := messages.TypeDispatchRequested.Topic()
	for _, msg := range p.asked.sent[topic] {
		env, err := bus.Unmarshal(msg)
		if err != nil {
			p.t.Fatal(err)
		}
		e, err := messages.Open[messages.DispatchRequested](env)
		if err != nil {
			p.t.Fatal(err)
		}
		if err := p.dispatch.Handle(p.t.Context(), env, e); err != nil {
			p.t.Fatal(err)
		}
	}
	delete(p.asked.sent, topic)
}

// TestChangesOverTheEdge holds what LiveChat's webhooks without ids come to: sent again over the edge of a window of
// revisions, whatever came in between, a change has no second effect, neither in history nor at a destination; made
// again three minutes later it has.
func TestChangesOverTheEdge(t *testing.T) {
	text := func(words string) string {
		return `{"chat_id":"chat-1","event":{"id":"m","type":"message","text":"` + words + `","visibility":"all","created_at":"2026-01-02T03:00:00Z"}}`
	}
	tag, press := `{"chat_id":"chat-1","thread_id":"t","tag":"vip"}`, `{"user_id":"u","chat_id":"chat-1","event_id":"m","postback":{"id":"yes","toggled":true}}`
	status := func(is string) string { return `{"agent_id":"a@example.org","status":"` + is + `"}` }
	moved := func(group string) string {
		return `{"chat_id":"chat-1","thread_id":"t","transferred_to":{"group_ids":[` + group + `]}}`
	}
	for name, story := range map[string]struct {
		change, other [2]string // action and payload
		want          func(p *pipeline, changes int) string
	}{
		"edit": {
			[2]string{"event_updated", text("one")},
			[2]string{"event_updated", text("two")},
			func(p *pipeline, changes int) string {
				want := map[int]string{2: "two", 3: "one"}[changes]
				return cmp.Diff(want, *look(t, p.store).Entries[0].Text)
			},
		},
		"tag":      {[2]string{"thread_tagged", tag}, [2]string{"thread_untagged", tag}, wantChanges},
		"transfer": {[2]string{"chat_transferred", moved("1")}, [2]string{"chat_transferred", moved("2")}, wantChanges},
		"status": {
			[2]string{"routing_status_set", status("accepting_chats")},
			[2]string{"routing_status_set", status("not_accepting_chats")},
			func(*pipeline, int) string { return "" }, // history keeps none
		},
		"button": {
			[2]string{"incoming_rich_message_postback", press},
			[2]string{"incoming_rich_message_postback", `{"user_id":"u","chat_id":"chat-1","event_id":"m","postback":{"id":"yes","toggled":false}}`},
			func(p *pipeline, changes int) string { return cmp.Diff(int64(1+changes), look(t, p.store).Total) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t)
			if _, err := handling(t, received(), p.history.Handle); err != nil { // else the chat is not known
				t.Fatal(err)
			}
			holds := func(when string, changes int) {
				t.Helper()
				if diff := story.want(p, changes); p.posts != changes || diff != "" {
					t.Errorf("%s: %d posts, want %d; history (-want +got):\n%s", when, p.posts, changes, diff)
				}
			}
			p.receive(story.change[0], story.change[1], edge.Add(-10*time.Second))
			p.receive(story.other[0], story.other[1], edge.Add(-5*time.Second))
			holds("two changes", 2)
			for _, later := range []time.Duration{-time.Second, 10 * time.Second, 50 * time.Second} {
				p.receive(story.change[0], story.change[1], edge.Add(later))
				holds(fmt.Sprintf("a retry %s from the edge", later), 2)
			}
			p.receive(story.change[0], story.change[1], edge.Add(170*time.Second))
			holds("made again three minutes later", 3)
		})
	}
}

func wantChanges(p *pipeline, changes int) string {
	p.t.Helper()
	about, err := p.store.Conversation(p.t.Context(), origin().Chat)
	if err != nil {
		p.t.Fatal(err)
	}
	return cmp.Diff(changes, len(about.Changes))
}

// TestARetryGoesWhereItsFormerDidNot holds that dispatch leaves a retry out for the destinations that have its former
// event, and for no other, and that it takes none for delivered.
func TestARetryGoesWhereItsFormerDidNot(t *testing.T) {
	revised := func(at time.Time) messages.MessageUpdated {
		e := edited()
		e.Revision = messages.Revision([]byte(`{}`), at)
		return e
	}
	request := func(destination string, at time.Time) messages.DispatchRequested {
		e := revised(at)
		return messages.DispatchRequested{Origin: e.Origin, Destination: destination, Event: seal(t, e), Former: messages.FormerID(e)}
	}
	posts := map[string]int{}
	store := &notes{}
	dispatch := workers.NewDispatch(workers.DispatchConfig{
		Store: store, Logger: slog.New(slog.DiscardHandler),
		Rules: webhooks(t, map[string]string{"a": "https://a.example", "b": "https://b.example"}, ""),
		HTTP: roundTrip(func(r *http.Request) (*http.Response, error) {
			posts[r.URL.Host]++
			return answer(200, "")()
		}),
	})
	deliver := func(destination string, at time.Time, a, b int) {
		t.Helper()
		e := request(destination, at)
		err := dispatch.Handle(t.Context(), seal(t, e), e)
		if want := (map[string]int{"a.example": a, "b.example": b}); (err != nil) != (store.err != nil) || posts["a.example"] != a || posts["b.example"] != b {
			t.Fatalf("posts %v, want %v; %v", posts, want, err)
		}
	}
	next, third := edge.Add(90*time.Second), edge.Add(180*time.Second)
	deliver("a", edge, 1, 0)
	deliver("a", next, 1, 0)
	deliver("b", next, 1, 1) // nothing of the first one came here
	deliver("b", third, 1, 1)
	deliver("a", third, 2, 1) // the second was not delivered to a: this is no retry of it
	store.marked, store.err = nil, errors.New("down")
	deliver("a", edge, 3, 1) // delivered, and not noted
	store.err = nil
	deliver("a", next, 3, 1)
}

// TestRoutingNamesTheFormerEvent holds what dispatch tells a retry by.
func TestRoutingNamesTheFormerEvent(t *testing.T) {
	edit := edited()
	edit.Revision = messages.Revision([]byte(`{}`), edge)
	published := &publisher{}
	routing := &workers.Routing{Rules: load(t, places+"rules: [{name: all, when: 'true', to: [crm]}]"), Publisher: published, Now: time.Now}
	_, err := handling(t, edit, routing.HandleEdit)
	if _, also := handling(t, received(), routing.Handle); err != nil || also != nil {
		t.Fatal(err, also)
	}
	before := edit
	before.Revision = messages.Revision([]byte(`{}`), edge.Add(-time.Second))
	for i, want := range []string{seal(t, before).ID, ""} {
		env, err := bus.Unmarshal(published.sent[messages.TypeDispatchRequested.Topic()][i])
		if err != nil {
			t.Fatal(err)
		}
		asked, err := messages.Open[messages.DispatchRequested](env)
		if err != nil || asked.Former != want {
			t.Errorf("former %q, want %q, %v", asked.Former, want, err)
		}
	}
}
