package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

func TestRoundTrip(t *testing.T) {
	e := messages.DeliveryUpdated{
		Origin: messages.Origin{
			Channel: "livechat",
			Chat:    messages.Chat{Tenant: messages.Tenant{Org: "org123", LiveChat: "lc-789"}, ChatID: "chat_abc123"},
		},
		MessageID: "msg_1", Status: messages.Delivered,
	}
	env, err := messages.Seal(e, time.Date(2024, 1, 15, 10, 33, 0, 0, time.UTC), "")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := bus.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	if msg.UUID != env.ID || len(msg.Metadata) > 3 || msg.Metadata.Get(bus.MetadataLane) != e.Lane() {
		t.Errorf("message %s with metadata %v", msg.UUID, msg.Metadata)
	}
	got, err := bus.Unmarshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(env, got); diff != "" {
		t.Errorf("changed on the way (-sent +got):\n%s", diff)
	}
}

func TestUnreadableIsPermanent(t *testing.T) {
	_, err := bus.Unmarshal(message.NewMessage("x", []byte("\xff not json")))
	var permanent *messages.PermanentError
	if !errors.As(err, &permanent) {
		t.Errorf("got %v, want a permanent error", err)
	}
}
