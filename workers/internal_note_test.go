package workers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

// sides is where a note may go, and where it may not.
const sides = `destinations:
  customer: {type: webhook, url: "https://customer.example", secret_env: KEY}
  desk: {type: webhook, url: "https://desk.example", secret_env: KEY, internal: true}
rules: [{name: all, when: "true", to: [customer, desk, log]}]
`

// routed is an event on its way through routing.
type routed func(*workers.Routing) (messages.Envelope, error)

// internalEvents tell, or may tell, what agents wrote among themselves. History knows a note n and a message m.
func internalEvents(t *testing.T) map[string]routed {
	note, edit, silent := received(), edited(), edited()
	note.Message.Internal, edit.Message.Internal = true, true
	silent.KeepsVisibility, silent.Message.ID = true, "unseen"
	ofNote := silent
	ofNote.Message.ID = "n"
	return map[string]routed{
		"a note":                         func(r *workers.Routing) (messages.Envelope, error) { return handling(t, note, r.Handle) },
		"its edit":                       func(r *workers.Routing) (messages.Envelope, error) { return handling(t, edit, r.HandleEdit) },
		"an edit that does not tell":     func(r *workers.Routing) (messages.Envelope, error) { return handling(t, silent, r.HandleEdit) },
		"a note's edit that does not":    func(r *workers.Routing) (messages.Envelope, error) { return handling(t, ofNote, r.HandleEdit) },
		"its removal":                    removal(t, "n"),
		"its properties":                 changed(t, messages.MessagePropertiesUpdated, "n"),
		"its properties that went":       changed(t, messages.MessagePropertiesDeleted, "n"),
		"properties of a message unseen": changed(t, messages.MessagePropertiesUpdated, "unseen"),
		"a summary":                      changed(t, messages.ThreadSummarySet, ""),
		"something unknown that may be a note": func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, messages.UnknownReceived{Origin: origin(), Action: "beamed", Internal: true}, r.HandleUnknown)
		},
	}
}

// openEvents are like them, and tell no such thing.
func openEvents(t *testing.T) map[string]routed {
	silent := edited()
	silent.KeepsVisibility, silent.Message.ID = true, "m"
	return map[string]routed{
		"its edit that does not tell":  func(r *workers.Routing) (messages.Envelope, error) { return handling(t, silent, r.HandleEdit) },
		"a message":                    func(r *workers.Routing) (messages.Envelope, error) { return handling(t, received(), r.Handle) },
		"its edit":                     func(r *workers.Routing) (messages.Envelope, error) { return handling(t, edited(), r.HandleEdit) },
		"its removal":                  removal(t, "m"),
		"the removal of one unseen":    removal(t, "unseen"), // ids alone
		"its properties":               changed(t, messages.MessagePropertiesUpdated, "m"),
		"its properties that went":     changed(t, messages.MessagePropertiesDeleted, "m"),
		"properties of a conversation": changed(t, messages.ChatPropertiesUpdated, ""),
		"something unknown": func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, messages.UnknownReceived{Origin: origin(), Action: "beamed"}, r.HandleUnknown)
		},
	}
}

func removal(t *testing.T, id string) routed {
	return func(r *workers.Routing) (messages.Envelope, error) {
		return handling(t, messages.MessageDeleted{Origin: origin(), MessageID: id}, r.HandleDeletion)
	}
}

func changed(t *testing.T, change messages.Change, id string) routed {
	return func(r *workers.Routing) (messages.Envelope, error) {
		return handling(t, messages.ConversationUpdated{Origin: origin(), Change: change, MessageID: id, Revision: id}, r.HandleConversation)
	}
}

// noteStore is a store whose history has the note n and the message m, and of another tenant the other way round.
func noteStore(t *testing.T) workers.RoutingStore {
	s := openStore(t)
	for _, org := range []string{"org", "other"} {
		for _, id := range []string{"n", "m"} {
			e := received()
			e.Org, e.Message.ID, e.Message.Internal = org, id, (id == "n") == (org == "org")
			if _, err := handling(t, e, newHistory(t, s).Handle); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

func TestWhatMayBeANoteIsDispatchedOnlyWhereItWasAskedFor(t *testing.T) {
	store := noteStore(t)
	for kind, all := range map[string]struct {
		events map[string]routed
		want   []string
	}{
		"internal": {internalEvents(t), []string{"desk"}},
		"open":     {openEvents(t), []string{"customer", "desk", "log"}},
	} {
		for name, handle := range all.events {
			published := &publisher{}
			env, err := handle(&workers.Routing{Rules: load(t, sides), Store: store, Publisher: published, Now: time.Now})
			var got []string
			for _, request := range published.requests(t) {
				got = append(got, request.Destination)
				if diff := cmp.Diff(env, request.Event); diff != "" {
					t.Errorf("%s, %s: sent on (-want +got):\n%s", kind, name, diff)
				}
			}
			if diff := cmp.Diff(all.want, got); err != nil || diff != "" {
				t.Errorf("%s, %s: %v, destinations (-want +got):\n%s", kind, name, err, diff)
			}
		}
	}
}

// A destination that was down for days must not get, when it is back, what it no longer asks for.
func TestANoteOnItsWayIsHeldBackWhenItsDestinationNoLongerAsks(t *testing.T) {
	store := noteStore(t)
	posts := map[string]int{}
	log, lines := journal()
	dispatch := workers.NewDispatch(workers.DispatchConfig{
		Store: &notes{}, Rules: load(t, sides), Logger: log,
		HTTP: roundTrip(func(r *http.Request) (*http.Response, error) {
			posts[r.URL.Host]++
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		}),
	})
	defer dispatch.Close()
	askedOnce := strings.Replace(sides, "secret_env: KEY}", "secret_env: KEY, internal: true}", 1)
	deliver := func(name string, handle routed, refused ...string) {
		published := &publisher{}
		if _, err := handle(&workers.Routing{Rules: load(t, askedOnce), Store: store, Publisher: published, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		requests := published.requests(t)
		if len(requests) < 2 {
			t.Errorf("%s: %d dispatches", name, len(requests))
		}
		for _, e := range requests {
			err := dispatch.Handle(t.Context(), seal(t, e), e)
			if want := slices.Contains(refused, e.Destination); want != isPermanent(err, "refused") || !want && err != nil {
				t.Errorf("%s to %s: %v", name, e.Destination, err)
			}
		}
	}
	for name, handle := range internalEvents(t) {
		deliver(name, handle, "customer")
	}
	if posts["customer.example"] != 0 || posts["desk.example"] != len(internalEvents(t)) || lines.String() != "" {
		t.Errorf("posts %v, log %s", posts, lines)
	}
	for name, handle := range openEvents(t) {
		deliver(name, handle)
	}
	if posts["customer.example"] != len(openEvents(t)) {
		t.Errorf("posts %v", posts)
	}
}

// A removal goes on with ids alone, and of a message that history does not know only as far as its place tells.
func TestWhatIsLeftOfARemovedMessageIsForHistoryAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		internal *bool
		want     []string
	}{
		"not told": {nil, []string{"customer", "desk", "log"}},
		"public":   {new(false), []string{"customer", "desk", "log"}},
		"a note":   {new(true), []string{"desk"}},
	} {
		published := &publisher{}
		routing := &workers.Routing{Rules: load(t, sides), Store: &lookups{}, Publisher: published, Now: time.Now}
		removal := messages.MessageDeleted{Origin: origin(), MessageID: "m", DeletedAt: moment}
		want := seal(t, removal)
		removal.Place = &messages.Place{
			Type: "text", Author: &messages.Author{ID: "agent@example.com"}, Internal: tt.internal, CreatedAt: moment,
		}
		if _, err := handling(t, removal, routing.HandleDeletion); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, asked := range published.requests(t) {
			got = append(got, asked.Destination)
			if string(asked.Event.Data) != string(want.Data) {
				t.Errorf("%s: %s gets %s", name, asked.Destination, asked.Event.Data)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: destinations (-want +got):\n%s", name, diff)
		}
	}
}
