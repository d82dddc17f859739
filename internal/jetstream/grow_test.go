package jetstream_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/router"
)

// firstTable is the route table of the first release, with the names that stand in the data directories of its users.
var firstTable = []jetstream.Queue{
	{Name: "history", Topics: []string{"livechat-message-received-v1", "livechat-media-uploaded-v1"}},
	{Name: "delivery", Topics: []string{"livechat-delivery-updated-v1"}},
	{Name: "routing", Topics: []string{"livechat-message-received-v1", "livechat-media-uploaded-v1"}},
	{Name: "dispatch", Stream: jetstream.Dispatch, Topics: []string{"livechat-dispatch-requested-v1"}},
	{Name: "media", Topics: []string{"livechat-media-uploaded-v1"}},
}

// wholeTable is the route table of this release.
func wholeTable() []jetstream.Queue {
	var all []jetstream.Queue
	for _, b := range router.Table() {
		q := jetstream.Queue{Name: b.Worker}
		if b.Worker == "dispatch" {
			q.Stream = jetstream.Dispatch
		}
		for _, typ := range b.Types {
			q.Topics = append(q.Topics, typ.Topic())
		}
		all = append(all, q)
	}
	return all
}

// A data directory of the first release goes on with this one: what waits there is handled, what was handled does not
// come again, and every queue takes the topics that the table has given it since.
func TestADataDirectoryOfTheFirstReleaseGoesOn(t *testing.T) {
	dir := t.TempDir()
	server, err := jetstream.StartServer(t.Context(), jetstream.ServerConfig{Dir: dir, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	before, err := jetstream.Open(t.Context(), jetstream.Config{Server: server, Queues: firstTable, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	publishRange(t, before, "lane", 0, 10)
	history, err := before.Source(t.Context(), "history")
	if err != nil {
		t.Fatal(err)
	}
	ackAll(t, history, receive(t, history, 10)[:4])
	_ = history.Close()
	_ = before.Close()
	if err := server.Shutdown(); err != nil {
		t.Fatal(err)
	}

	after := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{Dir: dir}), Queues: wholeTable()})
	want := map[string][]string{
		"history": wantPayloads("lane", 4, 10), "routing": wantPayloads("lane", 0, 10),
	}
	for _, q := range wholeTable() {
		for n, topic := range q.Topics {
			if err := after.Publisher().Publish(topic, event(q.Name+" "+topic, n)); err != nil {
				t.Fatal(err)
			}
			for _, other := range wholeTable() {
				for _, taken := range other.Topics {
					if taken == topic {
						want[other.Name] = append(want[other.Name], string(event(q.Name+" "+topic, n).Payload))
					}
				}
			}
		}
	}
	for _, q := range wholeTable() {
		source := openSource(t, after, q.Name)
		got := receiveFirsts(t, source, len(want[q.Name]))
		if diff := cmp.Diff(want[q.Name], payloads(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q.Name, diff)
		}
		ackAll(t, source, got)
		backlog, err := after.Backlog(t.Context(), q.Name)
		if err != nil || backlog.Messages != 0 {
			t.Errorf("%s: %d more events, %v", q.Name, backlog.Messages, err)
		}
	}
}
