package jetstream_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/jetstream"
)

const dispatchTopic = "livechat-dispatch-requested-v1"

var dispatchQueue = jetstream.Queue{Name: "dispatch", Topics: []string{dispatchTopic}, Stream: jetstream.Dispatch}

// withDispatch is a table with a queue in each stream.
var withDispatch = []jetstream.Queue{table[0], dispatchQueue}

func TestEachStreamHasItsOwnTopicsAndDeadLetters(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{}), Queues: withDispatch})
	history, dispatch := openSource(t, b, "history"), openSource(t, b, "dispatch")
	if err := b.Publisher().Publish(topic, event("lane", 0)); err != nil {
		t.Fatal(err)
	}
	if err := b.Publisher().Publish(dispatchTopic, event("lane", 1)); err != nil {
		t.Fatal(err)
	}
	got := receive(t, dispatch, 1)
	if diff := cmp.Diff([]string{"lane 1"}, payloads(got)); diff != "" {
		t.Errorf("dispatch receives (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"lane 0"}, payloads(receive(t, history, 1))); diff != "" {
		t.Errorf("history receives (-want +got):\n%s", diff)
	}
	if again, err := dispatch.Reread(t.Context(), got[0].Receipt); err != nil || string(again.Payload) != "lane 1" {
		t.Errorf("read again: %v, %v", again, err)
	}
	if backlog, err := b.Backlog(t.Context(), "dispatch"); err != nil || backlog.Messages != 1 || backlog.Oldest.IsZero() {
		t.Errorf("backlog of dispatch is %+v, %v", backlog, err)
	}
	ackAll(t, dispatch, got)

	setAside(t, b.DeadLetters(), "dispatch", deadEvent("lane", 1))
	if n, err := b.DeadLetters().Redrive(t.Context(), "dispatch", bus.Redrive{}); n != 1 || err != nil {
		t.Fatalf("redrive answers %d, %v", n, err)
	}
	if diff := cmp.Diff([]string{"lane 1"}, payloads(receive(t, dispatch, 1))); diff != "" {
		t.Errorf("dispatch receives after the redrive (-want +got):\n%s", diff)
	}
	if err := b.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesATableThatContradictsItself(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{})
	moved := dispatchQueue
	moved.Name, moved.Stream = "other", ""
	unknown := dispatchQueue
	unknown.Stream = "somewhere"
	cases := map[string][]jetstream.Queue{
		"its queues name the streams dispatch and events": {dispatchQueue, moved},
		`stream "somewhere" is neither`:                   {unknown},
		"twice in the table":                              {table[0], table[0]},
	}
	for want, queues := range cases {
		b, err := jetstream.Open(t.Context(), jetstream.Config{Server: server, Queues: queues, Logger: testLogger(t)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v", want, err)
		}
		if b != nil {
			_ = b.Close()
		}
	}
}
