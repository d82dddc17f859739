package messages_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

var update = flag.Bool("update", false, "write the golden files anew")

const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

var receivedAt = time.Date(2024, 1, 15, 10, 30, 0, 123_000_000, time.UTC)

func origin() messages.Origin {
	return messages.Origin{
		Channel: "livechat",
		Chat:    messages.Chat{Tenant: messages.Tenant{Org: "org123", LiveChat: "lc-789"}, ChatID: "chat_abc123"},
		User:    "user456",
	}
}

func text(s string) *string { return &s }

func received() messages.MessageReceived {
	return messages.MessageReceived{
		Origin: origin(),
		Message: messages.Message{
			ID: "msg_001", Type: messages.MessageText, Text: text("Hello <b> & \u2028 \U0001F600"),
			Author: messages.Author{ID: "visitor_xyz", Type: "visitor"}, CreatedAt: "2024-01-15T10:30:00Z",
		},
		Visitor: &messages.Visitor{ID: "visitor_xyz", Name: "John Doe", Email: "john@example.com"},
	}
}

// goldens holds one event of every type. A file here is a promise to every reader that was ever released: it may be
// added to, never changed.
func goldens(t *testing.T) map[string]messages.Event {
	inner, err := messages.Seal(received(), receivedAt, traceParent)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]messages.Event{
		"message-received": received(),
		"message-received-file": messages.MessageReceived{Origin: origin(), Message: messages.Message{
			ID: "media_aaaaaaaaaaaaaaaaaaaaaaaaaa", Type: messages.MessageFile,
			File: &messages.File{
				ID: "media_aaaaaaaaaaaaaaaaaaaaaaaaaa", Name: "screenshot.png", ContentType: "image/png",
				Size: 245678, Extension: ".png",
			},
			Author: messages.Author{ID: "user456", Type: "user"}, CreatedAt: "2024-01-15T10:34:00Z",
		}},
		"delivery-updated": messages.DeliveryUpdated{
			Origin: origin(), MessageID: "msg_outbound_001", Status: messages.Failed,
			At:    map[messages.Status]string{messages.Failed: "2024-01-15T10:33:00Z", messages.Sent: "2024-01-15T10:32:59Z"},
			Error: &messages.DeliveryError{Code: "30007", Reason: "filtered"},
		},
		"media-uploaded": messages.MediaUploaded{
			Origin: origin(),
			File: messages.File{
				ID: "media_aaaaaaaaaaaaaaaaaaaaaaaaaa", Name: "screenshot.png", ContentType: "image/png",
				Size: 245678, Extension: ".png",
			},
			Digest:     strings.Repeat("ab", 32),
			UploadedAt: "2024-01-15T10:34:00.000Z",
		},
		"dispatch-requested": messages.DispatchRequested{
			Origin: origin(), Destination: "crm", Rule: "orders", Event: inner, Former: "evt_" + strings.Repeat("a", 32),
		},
		"dispatch-requested-internal": messages.DispatchRequested{
			Origin: origin(), Destination: "desk", Rule: "notes", Internal: true, Event: inner,
		},
	}
	maps.Copy(all, conversationGoldens())
	return all
}

func TestWireFormIsPinned(t *testing.T) {
	for name, e := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			env, err := messages.Seal(e, receivedAt, traceParent)
			if err != nil {
				t.Fatal(err)
			}
			wire, err := env.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			pretty := jsontext.Value(wire)
			if err := pretty.Indent(jsontext.WithIndent("  ")); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, append(pretty, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(pretty)+"\n"); diff != "" {
				t.Errorf("wire form changed (-released +now):\n%s", diff)
			}
			released := jsontext.Value(want)
			if err := released.Compact(); err != nil {
				t.Fatal(err)
			}
			parsed, err := messages.ParseEnvelope(released)
			if err != nil {
				t.Fatalf("parse released form: %v", err)
			}
			if diff := cmp.Diff(e, open(t, parsed)); diff != "" {
				t.Errorf("round trip (-sent +read):\n%s", diff)
			}
		})
	}
}

// The reference implementation of CloudEvents must read every envelope of ours and find it valid.
func TestCloudEventsSDKReadsOurEnvelopes(t *testing.T) {
	for name, e := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			env, err := messages.Seal(e, receivedAt, traceParent)
			if err != nil {
				t.Fatal(err)
			}
			wire, err := env.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			var ce event.Event
			if err := ce.UnmarshalJSON(wire); err != nil {
				t.Fatal(err)
			}
			if err := ce.Validate(); err != nil {
				t.Error(err)
			}
			if ce.ID() != env.ID || ce.Type() != string(env.Type) || ce.Subject() != e.From().ChatID || !ce.Time().Equal(receivedAt) {
				t.Errorf("attributes differ: %v", ce.Context)
			}
			if got := ce.Extensions()["partitionkey"]; got != env.PartitionKey {
				t.Errorf("partitionkey = %v, want %q", got, env.PartitionKey)
			}
		})
	}
}

func open(t *testing.T, env messages.Envelope) messages.Event {
	t.Helper()
	var e messages.Event
	var err error
	switch env.Type {
	case messages.TypeMessageReceived:
		e, err = messages.Open[messages.MessageReceived](env)
	case messages.TypeMessageUpdated:
		e, err = messages.Open[messages.MessageUpdated](env)
	case messages.TypeMessageDeleted:
		e, err = messages.Open[messages.MessageDeleted](env)
	case messages.TypeMessagesSeen:
		e, err = messages.Open[messages.MessagesSeen](env)
	case messages.TypeConversationUpdated:
		e, err = messages.Open[messages.ConversationUpdated](env)
	case messages.TypeAccountUpdated:
		e, err = messages.Open[messages.AccountUpdated](env)
	case messages.TypeUnknownReceived:
		e, err = messages.Open[messages.UnknownReceived](env)
	case messages.TypeDeliveryUpdated:
		e, err = messages.Open[messages.DeliveryUpdated](env)
	case messages.TypeMediaUploaded:
		e, err = messages.Open[messages.MediaUploaded](env)
	case messages.TypeDispatchRequested:
		e, err = messages.Open[messages.DispatchRequested](env)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestUndecodableIsPermanentAndQuotesNothing(t *testing.T) {
	const secret = "my-card-is-4111"
	for name, body := range map[string]string{
		"not JSON":      `{"id": ` + secret,
		"not an event":  `{"note":"` + secret + `"}`,
		"wrong type":    `{"specversion":"1.0","id":["` + secret + `"],"type":"a","source":"/"}`,
		"array":         `["` + secret + `"]`,
		"two documents": `{"specversion":"1.0","id":"a","type":"b","source":"/"} "` + secret + `"`,
		"empty":         ``,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := messages.ParseEnvelope([]byte(body))
			var permanent *messages.PermanentError
			if !errors.As(err, &permanent) || permanent.Reason != "undecodable" {
				t.Fatalf("got %v, want Permanent(undecodable)", err)
			}
			if strings.Contains(err.Error(), "4111") {
				t.Errorf("error quotes the body: %v", err)
			}
		})
	}
}

func TestOpenRefusesAnotherTypeAndMissingTenant(t *testing.T) {
	env, err := messages.Seal(received(), receivedAt, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := messages.Open[messages.DeliveryUpdated](env); err == nil {
		t.Error("opened a message as a receipt")
	}
	env.Data = jsontext.Value(`{"channel":"livechat","org":"","livechat":"x","chat_id":"c","message":{}}`)
	if _, err := messages.Open[messages.MessageReceived](env); err == nil {
		t.Error("opened an event of no tenant")
	}
}

func FuzzEnvelope(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		env, err := messages.ParseEnvelope(body)
		if err != nil {
			return
		}
		wire, err := env.Bytes()
		if err != nil {
			t.Fatalf("a parsed envelope does not encode: %v", err)
		}
		again, err := messages.ParseEnvelope(wire)
		if err != nil {
			t.Fatalf("our own form does not parse: %v", err)
		}
		if again.ID != env.ID || again.Type != env.Type || again.PartitionKey != env.PartitionKey {
			t.Fatalf("changed on the way: %v, %v", env, again)
		}
		messages.Open[messages.MessageReceived](env)
		messages.Open[messages.MessageUpdated](env)
		messages.Open[messages.MessageDeleted](env)
		messages.Open[messages.MessagesSeen](env)
		messages.Open[messages.ConversationUpdated](env)
		messages.Open[messages.AccountUpdated](env)
		messages.Open[messages.UnknownReceived](env)
		messages.Open[messages.DeliveryUpdated](env)
		messages.Open[messages.MediaUploaded](env)
		messages.Open[messages.DispatchRequested](env)
	})
}
