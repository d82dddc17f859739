package jetstream_test

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/internal/lanes"
)

// TestWatermillSuite is Watermill's own suite, in full, against a broker in another process that TestReconnect restarts.
func TestWatermillSuite(t *testing.T) {
	broker := startBroker(t)
	bus := openBus(t, jetstream.Config{URL: broker.url()})
	group := func(_ *testing.T, name string) (message.Publisher, message.Subscriber) {
		return bus.Publisher(), newGroupSubscriber(t, bus, name)
	}
	tests.TestPubSub(t,
		tests.Features{
			ConsumerGroups:        true,
			GuaranteedOrder:       true,
			Persistent:            true,
			RestartServiceCommand: []string{testBinary(t), "restart-broker", broker.dir},
		},
		func(t *testing.T) (message.Publisher, message.Subscriber) { return group(t, "default") },
		group,
	)
}

// groupSubscriber makes a queue for each topic and consumer group as the suite comes up with them.
type groupSubscriber struct {
	*lanes.Subscriber
	bus   *jetstream.Bus
	group string
}

func newGroupSubscriber(t *testing.T, bus *jetstream.Bus, group string) groupSubscriber {
	t.Helper()
	open := func(ctx context.Context, queue string) (lanes.Source, error) { return bus.Source(ctx, queue) }
	cfg := lanes.Config{
		Lease:        jetstream.AckWait,
		Retry:        lanes.Backoff{Initial: time.Millisecond, Max: 10 * time.Millisecond}, // TestContinueAfterErrors nacks 300 times
		CloseTimeout: 500 * time.Millisecond,                                               // some tests close with a message unacknowledged
	}
	sub, err := lanes.New(cfg, open, testLogger(t), lanes.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() }) // the suite leaves some open
	return groupSubscriber{sub, bus, group}
}

func (s groupSubscriber) SubscribeInitialize(topic string) error {
	return jetstream.EnsureQueue(s.bus, context.Background(), jetstream.Queue{Name: s.queue(topic), Topics: []string{topic}})
}

func (s groupSubscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := s.SubscribeInitialize(topic); err != nil {
		return nil, err
	}
	return s.Subscriber.Subscribe(ctx, s.queue(topic))
}

// Close keeps the engine's complaint about handlers that did not return to itself: the suite closes with a message
// unacknowledged on purpose, and takes any error for a failure.
func (s groupSubscriber) Close() error {
	_ = s.Subscriber.Close()
	return nil
}

func (s groupSubscriber) queue(topic string) string { return s.group + "_" + topic }
