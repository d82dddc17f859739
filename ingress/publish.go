package ingress

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

const (
	// publishStep is how many events go to the broker at once, and what a retry may repeat. Brokers work faster on many: a
	// hundred are ten calls side by side to SNS and one fsync of the embedded broker. On FIFO topics they are a hundred calls
	// one after the other, about 2 s, which must fit into the 3 s of a request, or it would never get on.
	publishStep = 100
	// maxHalfway bounds the memory: 1,024 requests of about 150 bytes.
	maxHalfway = 1 << 10
	// halfwayFor is how long a retry goes on where the last try stopped: LiveChat's come within a minute.
	halfwayFor = 10 * time.Minute
)

// publisher makes the events of a request durable.
type publisher struct {
	bus     message.Publisher
	timeout time.Duration
	metrics *metrics
	halfway *lru.Cache[string, progress] // by the ids of all events of a request
}

// progress is how many events of a request are durable although the request has failed.
type progress struct {
	events int
	at     time.Time
}

func newPublisher(to message.Publisher, timeout time.Duration, m *metrics) (*publisher, error) {
	halfway, err := lru.New[string, progress](maxHalfway)
	return &publisher{to, timeout, m, halfway}, err
}

// publish returns once the broker has every event on disk, with the time of its confirmation. A caller who hangs up does
// not stop it: half of the events would be out and nobody would know which. A request of more events than there is time
// for fails, and its retry goes on behind what is durable by then, so that it lands in the end however many they are.
func (p *publisher) publish(ctx context.Context, events []messages.Event, trace string) (time.Time, error) {
	start := time.Now()
	if len(events) == 0 {
		return start, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
	defer cancel()
	batch := make([]messages.Envelope, len(events))
	for i, event := range events {
		var err error
		if batch[i], err = messages.Seal(event, start, trace); err != nil {
			return time.Time{}, err
		}
	}
	request, done := p.resume(batch)
	for done < len(batch) {
		n := step(batch[done:])
		if err := p.send(ctx, batch[done:done+n]); err != nil {
			if done > 0 && request != "" {
				p.halfway.Add(request, progress{done, time.Now()})
			}
			return time.Time{}, err
		}
		done += n
	}
	p.halfway.Remove(request)
	confirmed := time.Now()
	p.metrics.publish.Observe(confirmed.Sub(start).Seconds())
	return confirmed, nil
}

// resume tells the name of a request that may take several tries, and how many of its events are durable since an earlier
// one. The name holds the tenant and everything that makes the events themselves, so only the same request has it.
func (p *publisher) resume(batch []messages.Envelope) (request string, done int) {
	if len(batch) <= publishStep {
		return "", 0
	}
	ids := make([]string, len(batch))
	for i := range batch {
		ids[i] = batch[i].ID
	}
	request = messages.Digest(ids...)
	if earlier, ok := p.halfway.Get(request); ok && time.Since(earlier.at) < halfwayFor {
		return request, earlier.events
	}
	return request, 0
}

// step is how many of the events go out together: a run of one topic, so that their order stays.
func step(batch []messages.Envelope) int {
	n := 1
	for n < min(len(batch), publishStep) && batch[n].Type == batch[0].Type {
		n++
	}
	return n
}

// send publishes events of one topic.
func (p *publisher) send(ctx context.Context, batch []messages.Envelope) error {
	msgs := make([]*message.Message, len(batch))
	for i, env := range batch {
		var err error
		if msgs[i], err = bus.Marshal(env); err != nil {
			return fmt.Errorf("make message: %w", err)
		}
		msgs[i].SetContext(ctx)
	}
	topic := batch[0].Type.Topic()
	if err := p.bus.Publish(topic, msgs...); err != nil {
		p.metrics.unpublished.Inc()
		return &refusal{code: codeNotPublished, cause: fmt.Errorf("publish to %s: %w", topic, err)}
	}
	return nil
}
