package workers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

const places = "destinations: {crm: {type: log}, audit: {type: log}}\n"

func TestRoutingAsksForOneDispatchPerDestination(t *testing.T) {
	published := &publisher{}
	routing := &workers.Routing{
		Rules:     load(t, places+"rules: [{name: all, when: 'true', to: [crm, audit]}]"),
		Publisher: published, Now: time.Now,
	}
	e := received()
	env := seal(t, e)
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": env.TraceParent})
	if err := routing.Handle(ctx, env, e); err != nil {
		t.Fatal(err)
	}
	var lanes, destinations []string
	for _, msg := range published.sent[messages.TypeDispatchRequested.Topic()] {
		request, err := bus.Unmarshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := messages.Open[messages.DispatchRequested](request)
		if err != nil {
			t.Fatal(err)
		}
		if request.TraceParent != parent {
			t.Errorf("trace %q was not carried on", request.TraceParent)
		}
		if diff := cmp.Diff(env, asked.Event); diff != "" {
			t.Errorf("event inside (-want +got):\n%s", diff)
		}
		lanes, destinations = append(lanes, request.PartitionKey), append(destinations, asked.Destination+" by "+asked.Rule)
	}
	if diff := cmp.Diff([]string{"crm by all", "audit by all"}, destinations); diff != "" {
		t.Errorf("destinations (-want +got):\n%s", diff)
	}
	if len(lanes) == 2 && lanes[0] == lanes[1] {
		t.Error("two destinations share a lane: one that is down would hold up the other")
	}
}

func TestRoutingSeesAnUploadAsAFile(t *testing.T) {
	published := &publisher{}
	routing := &workers.Routing{
		Rules: load(t, places+`rules:
  - {name: images, when: 'message.type == "file" and file.content_type == "image/png" and file.size == 4242 and author.type == "user"', to: [crm]}
  - {name: rest, when: 'true', to: [drop]}
`), Publisher: published, Now: time.Now,
	}
	e := uploaded()
	if err := routing.HandleUpload(t.Context(), seal(t, e), e); err != nil {
		t.Fatal(err)
	}
	if n := len(published.ids(messages.TypeDispatchRequested.Topic())); n != 1 {
		t.Errorf("%d dispatches, want 1", n)
	}
}

func TestRoutingOutcomes(t *testing.T) {
	tests := map[string]struct {
		rules     *rules.Set
		publisher *publisher
		check     func(err error) bool
		sent      int
	}{
		"no file goes to the log": {rules.Default(), &publisher{}, func(err error) bool { return err == nil }, 1},
		"drop sends nothing": {
			load(t, "rules: [{name: a, when: 'true', to: [drop]}]"),
			&publisher{err: errors.New("was asked")}, func(err error) bool { return err == nil }, 0,
		},
		"a broker that is down is an outage": {rules.Default(), &publisher{err: errors.New("no responders")}, messages.IsUnavailable, 0},
		"a broker that refuses is final": {
			rules.Default(), &publisher{err: messages.Permanent("refused", nil)},
			func(err error) bool { return isPermanent(err, "refused") && !messages.IsUnavailable(err) }, 0,
		},
		"a rule that fails is final": {
			load(t, "rules: [{name: age, when: 'int(message.text) > 1', to: [log]}]"), &publisher{},
			func(err error) bool {
				return isPermanent(err, "refused") && strings.Contains(err.Error(), `"age"`) && !strings.Contains(err.Error(), "4111")
			}, 0,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := received()
			err := (&workers.Routing{Store: &lookups{}, Rules: tt.rules, Publisher: tt.publisher, Now: time.Now}).Handle(t.Context(), seal(t, e), e)
			if !tt.check(err) {
				t.Errorf("outcome %v", err)
			}
			if n := len(tt.publisher.ids(messages.TypeDispatchRequested.Topic())); n != tt.sent {
				t.Errorf("%d published, want %d", n, tt.sent)
			}
		})
	}
}

func isPermanent(err error, reason string) bool {
	var final *messages.PermanentError
	return errors.As(err, &final) && final.Reason == reason
}

// What is sent on is the event as it came, and rules choose by what kind of event it is.
func TestRoutingOfEveryKindOfEvent(t *testing.T) {
	tests := map[string]struct {
		when   string
		handle func(*workers.Routing) (messages.Envelope, error)
	}{
		"a message": {`message.id == "msg-1" and not message.edited`, func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, received(), r.Handle)
		}},
		"an upload": {`file.extension == ".png"`, func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, uploaded(), r.HandleUpload)
		}},
		"an edit": {`message.edited and message.text contains "1111 1111"`, func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, edited(), r.HandleEdit)
		}},
		"a removal": {`message.deleted and message.id == "m"`, func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, messages.MessageDeleted{Origin: origin(), MessageID: "m"}, r.HandleDeletion)
		}},
		"a conversation": {`change == "chat_closed"`, func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, messages.ConversationUpdated{Origin: origin(), Change: messages.ChatClosed}, r.HandleConversation)
		}},
		"an account": {`action == "tag_created"`, func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, messages.AccountUpdated{Origin: origin(), Action: "tag_created"}, r.HandleAccount)
		}},
		"something unknown": {`action == "beamed"`, func(r *workers.Routing) (messages.Envelope, error) {
			return handling(t, messages.UnknownReceived{Origin: origin(), Action: "beamed"}, r.HandleUnknown)
		}},
	}
	for name, tt := range tests {
		published := &publisher{}
		env, err := tt.handle(&workers.Routing{
			Store: &lookups{}, Rules: load(t, places+"rules: [{name: one, when: '"+tt.when+"', to: [crm]}, {name: rest, when: 'true', to: [drop]}]"),
			Publisher: published, Now: time.Now,
		})
		sent := published.sent[messages.TypeDispatchRequested.Topic()]
		if err != nil || len(sent) != 1 {
			t.Errorf("%s: %d dispatches, %v", name, len(sent), err)
			continue
		}
		request, err := bus.Unmarshal(sent[0])
		if err != nil {
			t.Fatal(err)
		}
		asked, err := messages.Open[messages.DispatchRequested](request)
		if diff := cmp.Diff(env, asked.Event); err != nil || diff != "" {
			t.Errorf("%s: %v, event inside (-want +got):\n%s", name, err, diff)
		}
	}
}
