package ingress

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

// publisher makes the events of a request durable.
type publisher struct {
	bus     message.Publisher
	timeout time.Duration
	metrics *metrics
}

// publish returns once the broker has every event on disk, with the time of its confirmation. A caller who hangs up does
// not stop it: half of the events would be out and nobody would know which.
func (p *publisher) publish(ctx context.Context, events []messages.Event, trace string) (time.Time, error) {
	start := time.Now()
	if len(events) == 0 {
		return start, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
	defer cancel()
	msgs := make([]*message.Message, len(events))
	for i, event := range events {
		env, err := messages.Seal(event, start, trace)
		if err != nil {
			return time.Time{}, err
		}
		if msgs[i], err = bus.Marshal(env); err != nil {
			return time.Time{}, fmt.Errorf("make message: %w", err)
		}
		msgs[i].SetContext(ctx)
	}
	for len(msgs) > 0 { // runs of one topic go out together, and the order of the events stays
		topic, n := events[0].Type().Topic(), 1
		for n < len(msgs) && events[n].Type() == events[0].Type() {
			n++
		}
		if err := p.bus.Publish(topic, msgs[:n]...); err != nil {
			p.metrics.unpublished.Inc()
			return time.Time{}, &refusal{code: codeNotPublished, cause: fmt.Errorf("publish to %s: %w", topic, err)}
		}
		events, msgs = events[n:], msgs[n:]
	}
	confirmed := time.Now()
	p.metrics.publish.Observe(confirmed.Sub(start).Seconds())
	return confirmed, nil
}
