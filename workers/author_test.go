package workers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

// byType sends each message to where its author belongs.
const byType = `destinations: {visitors: {type: log}, agents: {type: log}, guesses: {type: log}}
rules:
  - {name: guess, when: "author.guessed", to: [guesses]}
  - {name: visitor, when: 'author.type == "visitor"', to: [visitors]}
  - {name: agent, when: 'author.type == "agent"', to: [agents]}
  - {name: bot, when: 'author.type == "bot"', to: [drop]}
`

// A customer's id may have the shape of a bot's, an agent's that of a customer's: whom the chat's people know counts, in the
// rules and in what is sent on. Nobody else's people count.
func TestRoutingKnowsWhoWrote(t *testing.T) {
	const hex, uuid = "0123456789abcdef0123456789abcdef", "7c1a0d52-44f5-4d3e-8a3e-0f4b6a2f9caa"
	s := openStore(t)
	tell := func(of messages.Chat, people ...messages.Person) {
		opened := messages.ConversationUpdated{Origin: origin(), Change: messages.ChatOpened, At: moment, ThreadID: "t", People: people}
		opened.Chat = of
		if _, err := handling(t, opened, newHistory(t, s).HandleConversation); err != nil {
			t.Fatal(err)
		}
	}
	chat, elsewhere, other := origin().Chat, origin().Chat, origin().Chat
	elsewhere.ChatID, other.Org = "chat-2", "other"
	tell(chat, messages.Person{ID: hex, Type: "visitor"}, messages.Person{ID: uuid, Type: "agent"})
	for _, c := range []messages.Chat{elsewhere, other} {
		tell(c, messages.Person{ID: "stranger", Type: "agent"}, messages.Person{ID: hex, Type: "bot"})
	}
	tests := map[string]struct {
		author  messages.Author
		guessed bool
		to      string
		want    messages.Author
		still   bool
	}{
		"a customer who looks like a bot":     {messages.Author{ID: hex, Type: "bot"}, true, "visitors", messages.Author{ID: hex, Type: "visitor"}, false},
		"an agent who looks like a customer":  {messages.Author{ID: uuid, Type: "visitor"}, true, "agents", messages.Author{ID: uuid, Type: "agent"}, false},
		"somebody whom other chats know":      {messages.Author{ID: "stranger", Type: "bot"}, true, "guesses", messages.Author{ID: "stranger", Type: "bot"}, true},
		"who was told of by the event itself": {messages.Author{ID: uuid, Type: "visitor"}, false, "visitors", messages.Author{ID: uuid, Type: "visitor"}, false},
	}
	for name, tt := range tests {
		message, edit := received(), edited()
		message.Message.Author, message.Message.AuthorGuessed = tt.author, tt.guessed
		edit.Message.Author, edit.Message.AuthorGuessed = tt.author, tt.guessed
		published := &publisher{}
		routing := &workers.Routing{Rules: load(t, byType), Store: s, Publisher: published, Now: time.Now}
		first, err := handling(t, message, routing.Handle)
		second, errEdit := handling(t, edit, routing.HandleEdit)
		requests := published.requests(t)
		if errors.Join(err, errEdit) != nil || len(requests) != 2 {
			t.Errorf("%s: %d dispatches, %v, %v", name, len(requests), err, errEdit)
			continue
		}
		message.Message.Author, message.Message.AuthorGuessed = tt.want, tt.still
		edit.Message.Author, edit.Message.AuthorGuessed = tt.want, tt.still
		first.Data, second.Data = seal(t, message).Data, seal(t, edit).Data // all else is as it came
		for i, want := range []messages.Envelope{first, second} {
			if diff := cmp.Diff(want, requests[i].Event); diff != "" || requests[i].Destination != tt.to {
				t.Errorf("%s: to %s, sent on (-want +got):\n%s", name, requests[i].Destination, diff)
			}
		}
	}
}

// Nothing is routed on half of what could be known: while the store is down its events wait. What needs no look-up is
// routed all the same.
func TestRoutingWaitsForItsStore(t *testing.T) {
	message, edit := received(), edited()
	message.Message.AuthorGuessed, edit.Message.AuthorGuessed = true, true
	needs := map[string]routed{
		"a message":      func(r *workers.Routing) (messages.Envelope, error) { return handling(t, message, r.Handle) },
		"an edit":        func(r *workers.Routing) (messages.Envelope, error) { return handling(t, edit, r.HandleEdit) },
		"a removal":      removal(t, "m"),
		"its properties": changed(t, messages.MessagePropertiesUpdated, "m"),
	}
	needsNone := map[string]routed{
		"a message": func(r *workers.Routing) (messages.Envelope, error) { return handling(t, received(), r.Handle) },
		"an edit":   func(r *workers.Routing) (messages.Envelope, error) { return handling(t, edited(), r.HandleEdit) },
		"an upload": func(r *workers.Routing) (messages.Envelope, error) { return handling(t, uploaded(), r.HandleUpload) },
		"a closing": changed(t, messages.ChatClosed, ""),
		"a summary": changed(t, messages.ThreadSummarySet, ""),
	}
	for asked, events := range []map[string]routed{needsNone, needs} {
		for name, handle := range events {
			down, published := &lookups{err: messages.Unavailable(errors.New("no route to host"))}, &publisher{}
			_, err := handle(&workers.Routing{
				Rules: load(t, "destinations: {all: {type: log, internal: true}}\nrules: [{name: all, when: 'true', to: [all]}]"),
				Store: down, Publisher: published, Now: time.Now,
			})
			if down.asked != asked || messages.IsUnavailable(err) != (asked == 1) || len(published.requests(t)) != 1-asked {
				t.Errorf("%s: asked %d times, %v, %d dispatches", name, down.asked, err, len(published.requests(t)))
			}
		}
	}
}
