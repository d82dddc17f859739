package workers_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

const sides = `destinations:
  customer: {type: webhook, url: "https://customer.example", secret_env: KEY}
  desk: {type: webhook, url: "https://desk.example", secret_env: KEY, internal: true}
rules: [{name: all, when: "true", to: [customer, desk, log]}]
`

// internalEvents are a note among agents, its edit, and the edit of something that may be one.
func internalEvents(t *testing.T) map[string]func(*workers.Routing) (messages.Envelope, error) {
	note, edit, silent := received(), edited(), edited()
	silent.KeepsVisibility, silent.Revision = true, "silent"
	note.Message.Internal, edit.Message.Internal = true, true
	return map[string]func(*workers.Routing) (messages.Envelope, error){
		"a note":   func(r *workers.Routing) (messages.Envelope, error) { return handling(t, note, r.Handle) },
		"its edit": func(r *workers.Routing) (messages.Envelope, error) { return handling(t, edit, r.HandleEdit) },
		"an edit that does not tell": func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, silent, r.HandleEdit)
		},
	}
}

func TestANoteAmongAgentsIsDispatchedOnlyWhereItWasAskedFor(t *testing.T) {
	for name, handle := range internalEvents(t) {
		published := &publisher{}
		env, err := handle(&workers.Routing{Rules: load(t, sides), Publisher: published, Now: time.Now})
		want := messages.EventID(origin(), messages.TypeDispatchRequested, env.ID, "desk")
		if got := published.ids(messages.TypeDispatchRequested.Topic()); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: dispatches %v, %v", name, got, err)
		}
	}
}

// A destination that was down for days must not get, when it is back, the notes that it no longer asks for.
func TestANoteOnItsWayIsHeldBackWhenItsDestinationNoLongerAsks(t *testing.T) {
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
	deliver := func(destination string, event messages.Envelope) error {
		e := messages.DispatchRequested{Origin: origin(), Destination: destination, Event: event}
		return dispatch.Handle(t.Context(), seal(t, e), e)
	}
	for name, handle := range internalEvents(t) {
		env, err := handle(&workers.Routing{Rules: load(t, sides), Publisher: &publisher{}, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		for _, destination := range []string{"customer", "log"} {
			if err := deliver(destination, env); !isPermanent(err, "refused") {
				t.Errorf("%s to %s: %v", name, destination, err)
			}
		}
		if err := deliver("desk", env); err != nil {
			t.Errorf("%s to the desk: %v", name, err)
		}
	}
	if err := deliver("customer", seal(t, received())); err != nil {
		t.Errorf("a message to the customer: %v", err)
	}
	if posts["customer.example"] != 1 || posts["desk.example"] != 3 || lines.String() != "" {
		t.Errorf("posts %v, log %s", posts, lines)
	}
}

// A removal goes to every destination, and what it removes may have been a note among agents.
func TestWhatIsLeftOfARemovedMessageIsForHistoryAlone(t *testing.T) {
	published := &publisher{}
	routing := &workers.Routing{Rules: load(t, sides), Publisher: published, Now: time.Now}
	removal := messages.MessageDeleted{Origin: origin(), MessageID: "m", DeletedAt: moment}
	want := seal(t, removal)
	removal.Place = &messages.Place{Type: "text", Author: &messages.Author{ID: "agent@example.com"}, CreatedAt: moment}
	if _, err := handling(t, removal, routing.HandleDeletion); err != nil {
		t.Fatal(err)
	}
	sent := published.sent[messages.TypeDispatchRequested.Topic()]
	if len(sent) != 3 {
		t.Fatalf("%d dispatches", len(sent))
	}
	for _, msg := range sent {
		request, err := bus.Unmarshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := messages.Open[messages.DispatchRequested](request)
		if err != nil || string(asked.Event.Data) != string(want.Data) {
			t.Errorf("%s gets %s, %v", asked.Destination, asked.Event.Data, err)
		}
	}
}
