package amazon_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/lanes"
)

// TestWatermillSuite is Watermill's own suite, in full, through a proxy whose connections TestReconnect cuts. Order is
// promised on FIFO queues; on standard queues an emulator would keep it as well, and AWS does not.
func TestWatermillSuite(t *testing.T) {
	modes(t, func(t *testing.T, p *place) {
		proxy := p.throughProxy()
		p.cfg.PollWait, p.cfg.Logger = time.Second, testLogger(t)
		s := &suite{cfg: p.cfg, slots: semaphore.NewWeighted(underWay), buses: map[string]func() (*amazon.Bus, error){}}
		t.Cleanup(func() { p.check(s.close()) })
		group := func(t *testing.T, name string) (message.Publisher, message.Subscriber) {
			return &suitePublisher{suite: s, lane: laneFor(t)}, s.subscriber(t, name)
		}
		tests.TestPubSub(t,
			tests.Features{
				ConsumerGroups:        true,
				GuaranteedOrder:       p.cfg.FIFO,
				Persistent:            true,
				RestartServiceCommand: scissors(t, proxy),
			},
			func(t *testing.T) (message.Publisher, message.Subscriber) { return group(t, "default") },
			group,
		)
	})
}

// laneFor says what the lane of a message is in a test of the suite. What it compares is in order for each body. In its
// tests with thousands of messages all bodies are alike, and nothing is compared.
func laneFor(t *testing.T) func(*message.Message) string {
	for _, crowd := range []string{"ConcurrentSubscribe", "ContinueAfterSubscribeClose", "PublisherClose", "Reconnect"} {
		if strings.Contains(t.Name(), crowd) {
			return func(msg *message.Message) string { return msg.UUID[:2] }
		}
	}
	return func(msg *message.Message) string { return string(msg.Payload) }
}

// suite makes topics and queues as the suite comes up with them: a bus for each pair, whose table has nothing else.
type suite struct {
	cfg   amazon.Config
	slots *semaphore.Weighted // for messages to publish
	mu    sync.Mutex
	buses map[string]func() (*amazon.Bus, error)
}

func (s *suite) bus(group, topic string) (*amazon.Bus, error) {
	name := short(group + topic)
	s.mu.Lock()
	open := s.buses[name]
	if open == nil {
		cfg := s.cfg
		cfg.Queues = []amazon.Queue{{Name: name, Topics: []string{topic}}}
		open = sync.OnceValues(func() (*amazon.Bus, error) {
			ctx := context.Background()
			if _, err := amazon.Provision(ctx, cfg, amazon.ProvisionOptions{}); err != nil {
				return nil, err
			}
			return amazon.Open(ctx, cfg)
		})
		s.buses[name] = open
	}
	s.mu.Unlock()
	return open()
}

func (s *suite) close() error {
	var errs []error
	for _, open := range s.buses {
		b, err := open()
		if err == nil {
			err = b.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// short is a name that SQS takes: the suite's are too long.
func short(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// suitePublisher publishes to topics through the bus of their first queue.
type suitePublisher struct {
	suite *suite
	lane  func(*message.Message) string
}

// underWay are the most messages that the suite publishes at once. Its 20 topics with a hundred messages each would keep
// the emulator busy for longer than a call may take.
const underWay = 100

func (p *suitePublisher) Publish(topic string, msgs ...*message.Message) error {
	b, err := p.suite.bus("default", topic)
	if err != nil {
		return err
	}
	weight := int64(min(len(msgs), underWay))
	if err := p.suite.slots.Acquire(context.Background(), weight); err != nil {
		return err
	}
	defer p.suite.slots.Release(weight)
	ours := make([]*message.Message, len(msgs))
	for i, msg := range msgs {
		ours[i] = msg.Copy()
		ours[i].Metadata.Set(bus.MetadataLane, p.lane(msg))
		// The emulator is slower than AWS, and works for two tests at once.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ours[i].SetContext(ctx)
	}
	return b.Publisher().Publish(topic, ours...)
}

func (p *suitePublisher) Close() error { return nil }

// suiteSubscriber has a queue for each topic and consumer group.
type suiteSubscriber struct {
	*lanes.Subscriber
	suite *suite
	group string
}

func (s *suite) subscriber(t *testing.T, group string) suiteSubscriber {
	t.Helper()
	sub := suiteSubscriber{suite: s, group: group}
	open := func(ctx context.Context, topic string) (lanes.Source, error) {
		b, err := s.bus(group, topic)
		if err != nil {
			return nil, err
		}
		return b.Hiding(ctx, short(group+topic), suiteLease)
	}
	cfg := amazon.Bare(s.cfg).Engine()
	cfg.Lease = suiteLease
	cfg.MaxBytes = 32 << 20                                                          // three receives at once, since the emulator serves up to 50 subscribers on two cores
	cfg.Retry = lanes.Backoff{Initial: time.Millisecond, Max: 10 * time.Millisecond} // TestContinueAfterErrors nacks 300 times
	cfg.CloseTimeout = 1500 * time.Millisecond                                       // some tests close with a message unacknowledged
	var err error
	if sub.Subscriber, err = lanes.New(cfg, open, testLogger(t), lanes.NewMetrics(prometheus.NewRegistry())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() }) // the suite leaves some open
	return sub
}

// suiteLease brings what a cut receive had taken again within the patience of TestReconnect, which is 60 s.
const suiteLease = 25 * time.Second

func (s suiteSubscriber) SubscribeInitialize(topic string) error {
	_, err := s.suite.bus(s.group, topic)
	return err
}

// Close keeps the engine's complaint about handlers that did not return to itself: the suite closes with a message
// unacknowledged on purpose, and takes any error for a failure.
func (s suiteSubscriber) Close() error {
	_ = s.Subscriber.Close()
	return nil
}
