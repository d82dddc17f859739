package router

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/internal/lanes/lanestest"
	"github.com/livepipe/livepipe/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretText = "my card is 4111 1111"

// received is an event whose text must never be seen outside of a handler.
func received(t *testing.T, id string) *message.Message {
	t.Helper()
	text := secretText
	env, err := messages.Seal(messages.MessageReceived{
		Origin:  messages.Origin{Channel: "livechat", Chat: messages.Chat{Tenant: messages.Tenant{Org: "o", LiveChat: "l"}, ChatID: id}},
		Message: messages.Message{ID: id, Type: messages.MessageText, Text: &text, CreatedAt: "2026-01-02T03:04:05Z"},
	}, time.Now(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := bus.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// graveyard is a dead-letter publisher that fails as often as it is told to.
type graveyard struct {
	mu      sync.Mutex
	fails   int
	refuses error // what is answered for ever
	tried   int
	dead    map[string][]*message.Message
}

func (g *graveyard) Publish(topic string, msgs ...*message.Message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuses != nil {
		return g.refuses
	}
	if g.tried++; g.tried <= g.fails {
		return errors.New("broker says no: " + secretText)
	}
	if g.dead == nil {
		g.dead = map[string][]*message.Message{}
	}
	g.dead[topic] = append(g.dead[topic], msgs...)
	return nil
}

func (g *graveyard) Close() error { return nil }

// bench is a router with one history worker on the engine, in virtual time.
type bench struct {
	queue   *lanestest.Queue
	dead    *graveyard
	log     conformance.Journal
	metrics *prometheus.Registry
	router  *Router
	runs    int
}

// work runs a history worker whose message handler is handle, lets test feed it, and stops everything in the order that
// an application uses.
func work(t *testing.T, handle func(ctx context.Context, b *bench) error, test func(b *bench)) {
	t.Helper()
	var the *bench
	runWith(t, func(ctx context.Context, _ messages.Envelope, _ messages.MessageReceived) error {
		the.runs++
		return handle(ctx, the)
	}, func(b *bench) {
		the = b
		test(b)
	})
}

// runWith is work for a handler that looks at its event.
func runWith(
	t *testing.T,
	handle func(ctx context.Context, env messages.Envelope, e messages.MessageReceived) error,
	test func(b *bench),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{
			queue: lanestest.NewQueue(), dead: &graveyard{}, metrics: prometheus.NewRegistry(),
		}
		log := b.log.Logger()
		open := func(context.Context, string) (lanes.Source, error) { return b.queue, nil }
		engine, err := lanes.New(lanes.Config{}, open, log, lanes.NewMetrics(prometheus.NewRegistry()))
		if err != nil {
			t.Fatal(err)
		}
		b.router, err = New(Config{
			Workers: []Worker{{
				Binding: Table()[0], Subscriber: engine,
				Routes: []Route{
					On(handle),
					idle[messages.MediaUploaded](), idle[messages.MessageUpdated](), idle[messages.MessageDeleted](),
					idle[messages.ConversationUpdated](),
				},
			}},
			DeadLetters: b.dead, Logger: log, Metrics: b.metrics,
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- b.router.Run(t.Context()) }()
		<-b.router.Running()

		test(b)

		b.router.Drain()
		if err := engine.Close(); err != nil {
			t.Errorf("stop engine: %v", err)
		}
		if err := b.router.Close(); err != nil {
			t.Errorf("close router: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// idle is a route that does nothing.
func idle[T messages.Event]() Route {
	return On(func(context.Context, messages.Envelope, T) error { return nil })
}
