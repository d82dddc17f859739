package jetstream_test

import (
	"errors"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/messages"
)

// TestLongLaneGoesInOrder holds that many messages of one lane, more than one batch takes, arrive once, in order and as
// they were, beside those of other lanes.
func TestLongLaneGoesInOrder(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	const n = 2100
	batch := make([]*message.Message, 0, n+1)
	for i := range n {
		batch = append(batch, event("long", i))
	}
	batch = append(batch, event("other", 0))
	publish(t, b, batch...)
	publish(t, b, event("long", n)) // alone, behind them
	backlog, err := b.Backlog(t.Context(), "history")
	if err != nil || backlog.Messages != n+2 {
		t.Fatalf("%d messages: %v", backlog.Messages, err)
	}
	s := openSource(t, b, "history")
	var long []string
	for _, d := range receiveFirsts(t, s, n+2) {
		if d.Key == "long" {
			long = append(long, string(d.Message.Payload))
		}
		if want := event(d.Key, 0).Metadata; !cmp.Equal(want, d.Message.Metadata) {
			t.Fatalf("metadata %v", d.Message.Metadata)
		}
	}
	if diff := cmp.Diff(wantPayloads("long", 0, n+1), long); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLongLaneIsKeptWholeOrNot holds that a batch of which one message is refused leaves nothing behind: the later ones of
// its lane would stand before it.
func TestLongLaneIsKeptWholeOrNot(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	for _, refused := range []int{0, 20, 39} {
		batch := make([]*message.Message, 40)
		for i := range batch {
			batch[i] = event("a", i)
		}
		batch[refused].Payload = make([]byte, 9<<20)
		var permanent *messages.PermanentError
		if err := b.Publisher().Publish(topic, batch...); !errors.As(err, &permanent) {
			t.Errorf("message %d: %v", refused, err)
		}
		if backlog, err := b.Backlog(t.Context(), "history"); err != nil || backlog.Messages != 0 {
			t.Errorf("message %d: %d others stand: %v", refused, backlog.Messages, err)
		}
	}
}
