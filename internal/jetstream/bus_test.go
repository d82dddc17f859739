package jetstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/internal/lanes"
)

const topic = "livechat-message-received-v1"

// table is a route table of two workers that want the same events.
var table = []jetstream.Queue{
	{Name: "history", Topics: []string{topic}},
	{Name: "routing", Topics: []string{topic}},
}

func startServer(t testing.TB, cfg jetstream.ServerConfig) *jetstream.Server {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Logger = testLogger(t)
	s, err := jetstream.StartServer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openBus(t testing.TB, cfg jetstream.Config) *jetstream.Bus {
	t.Helper()
	cfg.Logger = testLogger(t)
	if cfg.Queues == nil {
		cfg.Queues = table
	}
	b, err := jetstream.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// event is the n-th message of a lane; its payload says both.
func event(lane string, n int) *message.Message {
	m := message.NewMessage(fmt.Sprintf("%s-%d", lane, n), fmt.Appendf(nil, "%s %d", lane, n))
	m.Metadata.Set(bus.MetadataLane, lane)
	m.Metadata.Set(bus.MetadataType, "livechat.message.received.v1")
	return m
}

func openSource(t testing.TB, b *jetstream.Bus, queue string) *jetstream.Source {
	t.Helper()
	s, err := b.Source(t.Context(), queue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// receive fetches until there are n deliveries.
func receive(t testing.TB, s *jetstream.Source, n int) []lanes.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []lanes.Delivery
	for len(got) < n {
		batch, err := s.Fetch(ctx, n-len(got))
		if ctx.Err() != nil {
			t.Fatalf("%d of %d deliveries, then: %v", len(got), n, err)
		}
		got = append(got, batch...) // after an error the engine calls again, and so do we
	}
	return got
}

// receiveFirsts waits for n messages. On a busy machine the server may deliver again what nobody has acknowledged yet:
// at least once is the promise, the second one has no effect, and order is that of the first ones.
func receiveFirsts(t testing.TB, s *jetstream.Source, n int) []lanes.Delivery {
	t.Helper()
	var firsts []lanes.Delivery
	seen := map[string]bool{}
	for len(firsts) < n {
		for _, d := range receive(t, s, n-len(firsts)) {
			if !seen[d.Message.UUID] {
				seen[d.Message.UUID] = true
				firsts = append(firsts, d)
			}
		}
	}
	return firsts
}

func payloads(batch []lanes.Delivery) []string {
	var out []string
	for _, d := range batch {
		out = append(out, string(d.Message.Payload))
	}
	return out
}

func ackAll(t testing.TB, s *jetstream.Source, batch []lanes.Delivery) {
	t.Helper()
	var settlements []lanes.Settlement
	for _, d := range batch {
		settlements = append(settlements, lanes.Settlement{Receipt: d.Receipt, Action: lanes.Ack})
	}
	for i, err := range s.Settle(t.Context(), settlements) {
		if err != nil {
			t.Fatalf("ack of delivery %d: %v", i, err)
		}
	}
}

func publish(t testing.TB, b *jetstream.Bus, msgs ...*message.Message) {
	t.Helper()
	if err := b.Publisher().Publish(topic, msgs...); err != nil {
		t.Fatal(err)
	}
}

func TestEveryQueueReceivesEveryEventInOrder(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	var want []string
	for n := range 100 {
		publish(t, b, event("lane", n))
		want = append(want, fmt.Sprintf("lane %d", n))
	}
	for _, q := range table {
		s := openSource(t, b, q.Name)
		got := receiveFirsts(t, s, 100)
		if diff := cmp.Diff(want, payloads(got)); diff != "" {
			t.Errorf("%s receives (-want +got):\n%s", q.Name, diff)
		}
		if got[0].Key != "lane" || got[0].Message.UUID != "lane-0" || got[0].Size < len("lane 0") {
			t.Errorf("first delivery is %+v", got[0])
		}
		ackAll(t, s, got)
	}
}
