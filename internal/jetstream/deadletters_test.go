package jetstream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/jetstream"
)

// deadEvent is an event as the router's middleware sets it aside.
func deadEvent(lane string, n int) *message.Message {
	m := event(lane, n)
	for k, v := range map[string]string{
		"reason": "refused", "worker": "history", "event_id": m.UUID, "attempts": "12",
		"failed_at": "2026-03-01T10:00:00Z", "detail": "unique key",
	} {
		m.Metadata.Set(k, v)
	}
	return m
}

func setAside(t *testing.T, d *jetstream.DeadLetters, queue string, msgs ...*message.Message) {
	t.Helper()
	for _, m := range msgs { // one by one: the order between lanes is nobody's promise
		if err := d.Publish(queue, m); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, d *jetstream.DeadLetters, queue string, limit int) []bus.DeadLetter {
	t.Helper()
	got, err := d.List(t.Context(), queue, limit)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDeadLettersAreListedWithoutTheirBodies(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	d := b.DeadLetters()
	setAside(t, d, "history", deadEvent("a", 1), deadEvent("b", 2))
	setAside(t, d, "routing", deadEvent("c", 3))

	all := list(t, d, "history", 10)
	want := bus.DeadLetter{
		ID: all[0].ID, Queue: "history", Reason: "refused", Worker: "history", EventID: "a-1",
		Type: "livechat.message.received.v1", Attempts: 12, Detail: "unique key",
		FailedAt: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Size: 3,
	}
	if diff := cmp.Diff(want, all[0]); len(all) != 2 || diff != "" {
		t.Errorf("%d listed; the first (-want +got):\n%s", len(all), diff)
	}
	if strings.Contains(fmt.Sprintf("%+v", all), "a 1") {
		t.Error("the listing shows a body")
	}
	if all[1].EventID != "b-2" {
		t.Errorf("after the first stands %+v", all[1])
	}
	if got := list(t, d, "history", 1); len(got) != 1 {
		t.Errorf("limit 1 gives %d", len(got))
	}
	for _, queue := range []string{"*", ">", "", "nobody"} {
		if got, _ := d.List(t.Context(), queue, 10); len(got) != 0 {
			t.Errorf("queue %q shows %d dead letters", queue, len(got))
		}
	}
}

func TestDeadLetterIsReadFromItsOwnQueueOnly(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	d := b.DeadLetters()
	setAside(t, d, "history", deadEvent("a", 1))
	id := list(t, d, "history", 1)[0].ID

	_, msg, err := d.Get(t.Context(), "history", id)
	if err != nil || string(msg.Payload) != "a 1" {
		t.Errorf("get answers %v, %v", msg, err)
	}
	if _, _, err := d.Get(t.Context(), "routing", id); !errors.Is(err, bus.ErrNoDeadLetter) {
		t.Errorf("get from another queue answers %v", err)
	}
	if n, err := d.Purge(t.Context(), "routing", id); n != 0 || !errors.Is(err, bus.ErrNoDeadLetter) {
		t.Errorf("purge from another queue answers %d, %v", n, err)
	}
	if n, err := d.Redrive(t.Context(), "routing", bus.Redrive{IDs: []string{id}}); n != 0 || err == nil {
		t.Errorf("redrive to another queue answers %d, %v", n, err)
	}
}

func TestRedriveGoesToOneQueueWithLaneAndOrder(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	d := b.DeadLetters()
	setAside(t, d, "history", deadEvent("a", 1), deadEvent("b", 2), deadEvent("a", 3))
	setAside(t, d, "routing", deadEvent("c", 4))

	onlyA := bus.Redrive{
		Pick:      func(l bus.DeadLetter) bool { return strings.HasPrefix(l.EventID, "a-") },
		PerSecond: 10_000,
	}
	if n, err := d.Redrive(t.Context(), "history", onlyA); n != 2 || err != nil {
		t.Fatalf("redrive answers %d, %v", n, err)
	}
	got := receive(t, openSource(t, b, "history"), 2)
	if diff := cmp.Diff([]string{"a 1", "a 3"}, payloads(got)); diff != "" {
		t.Errorf("history receives (-want +got):\n%s", diff)
	}
	wantMeta := message.Metadata{bus.MetadataLane: "a", bus.MetadataType: "livechat.message.received.v1"}
	if diff := cmp.Diff(wantMeta, got[0].Message.Metadata); got[0].Key != "a" || got[0].Message.UUID != "a-1" || diff != "" {
		t.Errorf("copy has key %q, id %q, metadata (-want +got):\n%s", got[0].Key, got[0].Message.UUID, diff)
	}
	if left := list(t, d, "history", 10); len(left) != 1 || left[0].EventID != "b-2" {
		t.Errorf("left behind: %+v", left)
	}
	if backlog, err := b.Backlog(t.Context(), "routing"); backlog.Messages != 0 || err != nil {
		t.Errorf("the other queue has %+v, %v", backlog, err)
	}
}

func TestPurgeDeletesSomeOrAll(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	d := b.DeadLetters()
	setAside(t, d, "history", deadEvent("a", 1), deadEvent("a", 2), deadEvent("a", 3))
	setAside(t, d, "routing", deadEvent("a", 4))

	first := list(t, d, "history", 1)[0].ID
	if n, err := d.Purge(t.Context(), "history", first); n != 1 || err != nil {
		t.Errorf("purge of one answers %d, %v", n, err)
	}
	if n, err := d.Purge(t.Context(), "history"); n != 2 || err != nil {
		t.Errorf("purge of all answers %d, %v", n, err)
	}
	if got := list(t, d, "routing", 10); len(got) != 1 {
		t.Errorf("the other queue has %d left", len(got))
	}
}
