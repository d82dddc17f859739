package amazon_test

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
)

// engine is the consumer engine over one queue of a bus.
type engine struct {
	*lanes.Subscriber
	messages <-chan *message.Message
}

// startEngine subscribes to the queue history with the bus's own settings, tuned. The lease is that of the settings.
func startEngine(t *testing.T, b *amazon.Bus, tune func(*lanes.Config)) *engine {
	t.Helper()
	cfg := b.Engine()
	if tune != nil {
		tune(&cfg)
	}
	open := func(ctx context.Context, queue string) (lanes.Source, error) { return b.Hiding(ctx, queue, cfg.Lease) }
	sub, err := lanes.New(cfg, open, testLogger(t), lanes.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	messages, err := sub.Subscribe(t.Context(), "history")
	if err != nil {
		t.Fatal(err)
	}
	return &engine{sub, messages}
}

// fakeEngine is startEngine over a fake.
func fakeEngine(t *testing.T, f *fakeSQS, cfg amazon.Config, tune func(*lanes.Config)) *engine {
	t.Helper()
	cfg.AWS, cfg.Prefix, cfg.Logger, cfg.PollWait = f.config(), "t", testLogger(t), 20*time.Second
	return startEngine(t, amazon.Bare(cfg), tune)
}

// stop ends the subscription the way app does, and fails the test when something is left.
func (e *engine) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// drain handles messages, several at once as Watermill's router does, until the queue of the fake is empty and nothing
// runs. It returns how often each was started.
func (e *engine) drain(t *testing.T, f *fakeSQS, queue string, work func(*message.Message) bool) map[string]int {
	t.Helper()
	empty := func() bool {
		visible, hidden := f.count(queue)
		return visible+hidden == 0
	}
	return e.handle(t, time.Second, empty, work)
}

// handle is drain until enough says so, which is asked whenever a handler returns, and after an idle time.
func (e *engine) handle(
	t *testing.T, idle time.Duration, enough func() bool, work func(*message.Message) bool,
) map[string]int {
	t.Helper()
	started := map[string]int{}
	done := make(chan struct{})
	deadline := time.Now().Add(patience)
	for running := 0; running > 0 || !enough(); {
		select {
		case msg := <-e.messages:
			if msg == nil {
				t.Fatal("the subscription has ended")
			}
			started[msg.UUID]++
			running++
			go func() {
				if work(msg) {
					msg.Ack()
				} else {
					msg.Nack()
				}
				done <- struct{}{}
			}()
			continue
		case <-done:
			running--
		case <-time.After(idle):
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all messages are handled after %s", patience)
		}
	}
	return started
}

// patience is virtual in most tests.
const patience = 2 * time.Hour
