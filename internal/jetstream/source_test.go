package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/internal/lanes"
)

func wantPayloads(lane string, from, to int) []string {
	var want []string
	for n := from; n < to; n++ {
		want = append(want, fmt.Sprintf("%s %d", lane, n))
	}
	return want
}

func publishRange(t testing.TB, b *jetstream.Bus, lane string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		publish(t, b, event(lane, n))
	}
}

func TestTakeoverReceivesEverythingUnacknowledgedInOrder(t *testing.T) {
	endings := map[string]func(*jetstream.Bus, *jetstream.Source){
		"handed back": func(_ *jetstream.Bus, s *jetstream.Source) { _ = s.Close() },
		"killed":      func(b *jetstream.Bus, _ *jetstream.Source) { b.Kill() },
	}
	for name, end := range endings {
		for _, delivered := range []int{30, 50} { // with all 50, nothing is left that would wake up the one who stands by
			t.Run(fmt.Sprintf("%s with %d", name, delivered), func(t *testing.T) {
				t.Parallel()
				server := startServer(t, jetstream.ServerConfig{})
				first, second := openBus(t, jetstream.Config{Server: server}), openBus(t, jetstream.Config{Server: server})
				publishRange(t, second, "lane", 0, 50)
				owner, standby := openSource(t, first, "history"), openSource(t, second, "history")

				held := receive(t, owner, delivered)
				ackAll(t, owner, held[:10])
				ackAll(t, owner, held[20:25]) // out of order: behind the ack floor there are holes

				taken := make(chan []lanes.Delivery, 1)
				go func() {
					defer close(taken)
					taken <- receive(t, standby, 40)
				}()
				end(first, owner)
				got := <-taken
				// 20 to 24 are handled and come again, because they stand behind the ack floor. Their effects are none.
				if diff := cmp.Diff(wantPayloads("lane", 10, 50), payloads(got)); diff != "" {
					t.Errorf("new owner receives (-want +got):\n%s", diff)
				}

				stale := []lanes.Settlement{{Receipt: held[15].Receipt, Action: lanes.Ack}}
				if errs := owner.Settle(t.Context(), stale); !errors.Is(errs[0], lanes.ErrGone) && name == "handed back" {
					t.Errorf("settling a stale receipt answers %v", errs[0])
				}
				ackAll(t, standby, got)
				if backlog, err := second.Backlog(t.Context(), "history"); backlog.Messages != 0 || err != nil {
					t.Errorf("backlog is %+v, %v", backlog, err)
				}
			})
		}
	}
}

func TestMissingDeliveryStartsAgainFromTheAckFloor(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	s := openSource(t, b, "history")
	publishRange(t, b, "lane", 0, 10)
	ackAll(t, s, receive(t, s, 5)[:2])
	if err := b.Steal(t.Context(), "history", 2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantPayloads("lane", 2, 10), payloads(receive(t, s, 8))); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

func TestOwnerWhoAsksForNothingKeepsTheQueue(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{})
	b := openBus(t, jetstream.Config{Server: server})
	owner, standby := openSource(t, b, "history"), openSource(t, openBus(t, jetstream.Config{Server: server}), "history")
	publishRange(t, b, "lane", 0, 1)
	receive(t, owner, 1)
	publishRange(t, b, "lane", 1, 2)

	ctx, cancel := context.WithTimeout(t.Context(), jetstream.PinnedTTL+jetstream.PinnedTTL/2)
	defer cancel()
	if got, err := standby.Fetch(ctx, 10); len(got) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who stands by receives %v, %v", payloads(got), err)
	}
	if got := payloads(receive(t, owner, 1)); got[0] != "lane 1" {
		t.Errorf("owner receives %v", got)
	}
}

func TestSettleDelayBringsAMessageBack(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	s := openSource(t, b, "history")
	publishRange(t, b, "lane", 0, 2)
	got := receive(t, s, 2)
	if errs := s.Settle(t.Context(), []lanes.Settlement{
		{Receipt: got[0].Receipt, Action: lanes.Delay},
		{Receipt: got[1].Receipt, Action: lanes.Ack},
	}); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	if again := payloads(receive(t, s, 1)); again[0] != "lane 0" {
		t.Errorf("handed back lane 0, received %s", again[0])
	}
}

func TestRereadGivesTheBodyUntilItIsAcknowledged(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{}), Queues: table[:1]})
	s := openSource(t, b, "history")
	publishRange(t, b, "lane", 0, 2) // the newest of the stream stays
	got := receive(t, s, 2)
	if errs := s.Extend(t.Context(), []lanes.Receipt{got[0].Receipt}); errors.Join(errs...) != nil {
		t.Error(errs)
	}
	msg, err := s.Reread(t.Context(), got[0].Receipt)
	if err != nil || !msg.Equals(got[0].Message) {
		t.Errorf("read again: %v, %v", msg, err)
	}
	ackAll(t, s, got)
	trim(t, b)
	if _, err := s.Reread(t.Context(), got[0].Receipt); !errors.Is(err, lanes.ErrGone) {
		t.Errorf("after the ack: %v, want lanes.ErrGone", err)
	}
}

func TestRestartKeepsSourceAndPublisherGoing(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{})
	b := openBus(t, jetstream.Config{Server: server})
	s := openSource(t, b, "history")
	publishRange(t, b, "lane", 0, 10)
	held := receive(t, s, 10)
	ackAll(t, s, held[:4])

	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	publishRange(t, b, "lane", 10, 20)
	got := receive(t, s, 16)
	if diff := cmp.Diff(wantPayloads("lane", 4, 20), payloads(got)); diff != "" {
		t.Errorf("after the restart (-want +got):\n%s", diff)
	}
	if errs := s.Settle(t.Context(), []lanes.Settlement{{Receipt: held[5].Receipt}}); !errors.Is(errs[0], lanes.ErrGone) {
		t.Errorf("settling a receipt of before the restart answers %v", errs[0])
	}
	if err := b.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestForeignMessagesAreHandedOnRaw(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{})
	b := openBus(t, jetstream.Config{Server: server})
	nc, err := nats.Connect("", nats.InProcessServer(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	subject := "livepipe.events.topic." + topic
	foreign := []*nats.Msg{
		{Subject: subject, Data: []byte("no header")},
		{Subject: subject, Data: []byte("two values"), Header: nats.Header{"X": {"1", "2"}}},
		{Subject: subject, Data: []byte("bad wrap"), Header: nats.Header{"Livepipe-Metadata": {"%zz"}}},
		{Subject: subject},
	}
	for _, m := range foreign {
		if _, err := nc.RequestMsgWithContext(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for i, d := range receive(t, openSource(t, b, "history"), len(foreign)) {
		if string(d.Message.Payload) != string(foreign[i].Data) || d.Key != subject || d.Message.UUID == "" {
			t.Errorf("message %d: payload %q, key %q, id %q", i, d.Message.Payload, d.Key, d.Message.UUID)
		}
	}
}

func TestMetadataComesBackByteForByte(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'k'
	}
	cases := map[string]message.Metadata{
		"none":            {},
		"plain":           {"type": "x", "lane": "l"},
		"empty value":     {"k": "", "lane": "l"},
		"line break":      {"k": "a\r\nNats-Rollup: all"},
		"outer spaces":    {"k": " a ", "k2": "\ta"},
		"an order":        {"Nats-Rollup": "all", "nats-expected-stream": "x"},
		"odd key":         {"a:b": "c", "": "d", "ä": "e", string(long): "f"},
		"not UTF-8":       {"k": "\xff\xfe"},
		"our own headers": {"Livepipe-Metadata": "x", "_watermill_message_uuid": "y"},
	}
	s := openSource(t, b, "history")
	for name, md := range cases {
		m := message.NewMessage("id\n"+name, []byte("body \xff"))
		m.Metadata = md
		publish(t, b, m)
		got := receive(t, s, 1)[0].Message
		if !got.Equals(m) {
			t.Errorf("%s: sent %q %q, got %q %q", name, m.UUID, m.Metadata, got.UUID, got.Metadata)
		}
	}
}

// A durable that somebody deleted fails every fetch. When it is there again a fetch says so, although it brings nothing:
// readiness depends on it.
func TestFetchReturnsWhenADeletedDurableIsBack(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{})
	b := openBus(t, jetstream.Config{Server: server})
	s := openSource(t, b, "history")
	stream, err := b.EventStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteConsumer(t.Context(), "history"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := s.Fetch(t.Context(), 10); err == nil {
			t.Fatalf("fetched %d messages of a durable that is gone", len(got))
		}
	}
	openBus(t, jetstream.Config{Server: server}) // makes what is missing
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if got, err := s.Fetch(ctx, 10); err != nil || len(got) > 0 {
		t.Errorf("%d messages, %v", len(got), err)
	}
}
