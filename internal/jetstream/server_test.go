package jetstream_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/messages"
)

func TestServerRefuses(t *testing.T) {
	used := t.TempDir()
	startServer(t, jetstream.ServerConfig{Dir: used})
	cases := map[string]jetstream.ServerConfig{
		"needs a token":            {Dir: t.TempDir(), Listen: "0.0.0.0:0"},
		"missing port":             {Dir: t.TempDir(), Listen: "127.0.0.1"},
		"another livepipe runs on": {Dir: used},
	}
	for want, cfg := range cases {
		cfg.Logger = testLogger(t)
		s, err := jetstream.StartServer(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v", want, err)
		}
		if s != nil {
			_ = s.Shutdown()
		}
	}
}

func TestServerSyncsBeforeItAcknowledges(t *testing.T) {
	if !startServer(t, jetstream.ServerConfig{}).SyncsAlways() {
		t.Error("acknowledged events may be lost with the power")
	}
}

func TestListenerAsksForTheToken(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{Listen: "127.0.0.1:0", Token: "s3cret"})
	url := "nats://" + server.Addr()
	if _, err := jetstream.Open(t.Context(), jetstream.Config{URL: url, Token: "wrong", Logger: testLogger(t)}); err == nil {
		t.Error("a wrong token is let in")
	}
	openBus(t, jetstream.Config{Server: server, Token: "s3cret"})
	remote := openBus(t, jetstream.Config{URL: url, Token: "s3cret"})
	addr := server.Addr()
	if err := server.Restart(t.Context()); err != nil || server.Addr() != addr {
		t.Errorf("restart: %v, listens on %s and not %s", err, server.Addr(), addr)
	}
	publish(t, remote, event("lane", 0))
}

func TestEventsWaitForARouterThatStartsLater(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, jetstream.ServerConfig{Dir: dir})
	ingress := openBus(t, jetstream.Config{Server: server}) // consumes nothing itself
	publishRange(t, ingress, "lane", 0, 20)
	if err := errors.Join(ingress.Close(), server.Shutdown()); err != nil {
		t.Fatal(err)
	}

	router := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{Dir: dir})})
	for _, q := range table {
		backlog, err := router.Backlog(t.Context(), q.Name)
		if err != nil || backlog.Messages != 20 || backlog.Oldest.IsZero() {
			t.Errorf("%s waits with %+v, %v", q.Name, backlog, err)
		}
		receive(t, openSource(t, router, q.Name), 20)
	}
}

func TestRouteTableMayChange(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{})
	old := openBus(t, jetstream.Config{Server: server, Queues: table[:1]})
	publishRange(t, old, "lane", 0, 3)

	const media = "livechat-media-uploaded-v1"
	b := openBus(t, jetstream.Config{Server: server, Queues: []jetstream.Queue{
		{Name: "history", Topics: []string{topic, media}},
		{Name: "media", Topics: []string{topic, media}}, // new: from now on
	}})
	if err := b.Publisher().Publish(media, event("lane", 3)); err != nil {
		t.Fatal(err)
	}
	for queue, want := range map[string][]string{
		"history": wantPayloads("lane", 0, 4),
		"media":   wantPayloads("lane", 3, 4),
	} {
		if diff := cmp.Diff(want, payloads(receive(t, openSource(t, b, queue), len(want)))); diff != "" {
			t.Errorf("%s receives (-want +got):\n%s", queue, diff)
		}
	}
}

func TestPublishRefusesWhatNobodyWouldKeep(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	var permanent *messages.PermanentError
	if err := b.Publisher().Publish("nobodys-topic", event("a", 0)); !errors.As(err, &permanent) {
		t.Errorf("a topic without a queue: %v", err)
	}
	big := message.NewMessage("big", make([]byte, 9<<20))
	if err := b.Publisher().Publish(topic, big); !errors.As(err, &permanent) {
		t.Errorf("9 MiB: %v", err)
	}
	b.Kill()
	if err := b.Publisher().Publish(topic, event("a", 0)); !messages.IsUnavailable(err) {
		t.Errorf("without a connection: %v", err)
	}
}

func TestFailedMessageHoldsBackItsLane(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})})
	refused := event("a", 0)
	refused.Payload = make([]byte, 9<<20)
	if err := b.Publisher().Publish(topic, refused, event("a", 1), event("b", 0)); err == nil {
		t.Error("nobody hears of the message that was refused")
	}
	got := receive(t, openSource(t, b, "history"), 1)
	if backlog, _ := b.Backlog(t.Context(), "history"); got[0].Key != "b" || backlog.Messages != 1 {
		t.Errorf("first of %d stands %s", backlog.Messages, got[0].Message.Payload)
	}
}

// Recovery cannot be interrupted. A Restart that ran out of time leaves one server on the files, and the next Restart
// waits for that one; Shutdown waits for it too.
func TestRestartThatRanOutOfTimeLeavesOneServer(t *testing.T) {
	server := startServer(t, jetstream.ServerConfig{})
	bus := openBus(t, jetstream.Config{Server: server})
	publishRange(t, bus, "lane", 0, 500)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if err := server.Restart(gone); err == nil {
			t.Log("the restart was quicker than the end of its context")
		}
	}
	if n := strings.Count(stacks(), "server.(*fileStore).flushStreamStateLoop"); n > streamsOfOneBus {
		t.Errorf("%d stores of streams are open, want at most the %d of one server", n, streamsOfOneBus)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	publishRange(t, bus, "lane", 500, 510)
	if err := server.Restart(gone); err == nil {
		t.Log("the restart was quicker than the end of its context")
	}
	if err := server.Shutdown(); err != nil {
		t.Error(err)
	}
	if strings.Contains(stacks(), "server.(*fileStore).flushStreamStateLoop") {
		t.Error("a server has the files open although it was shut down")
	}
}

// streamsOfOneBus are events, dispatch and dead letters.
const streamsOfOneBus = 3

// stacks are those of every goroutine.
func stacks() string {
	b := make([]byte, 4<<20)
	return string(b[:runtime.Stack(b, true)])
}
