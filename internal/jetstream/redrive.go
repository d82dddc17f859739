package jetstream

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/livepipe/livepipe/internal/bus"
)

// Redrive publishes dead letters to their own queue, no other queue sees them, and returns how many went. Each is
// deleted once its copy is on disk; a crash in between leaves it in both places, and the second effect of an event is
// none. The copies keep their lane, so they stay in order among themselves and behind what their lanes hold now.
func (d *DeadLetters) Redrive(ctx context.Context, queue string, what bus.Redrive) (int, error) {
	q, err := d.bus.queue(queue)
	if err != nil {
		return 0, fmt.Errorf("redrive: %w", err)
	}
	limit := rate.NewLimiter(rate.Limit(what.Rate()), 1)
	done := 0
	err = d.each(ctx, queue, what.IDs, func(raw *jetstream.RawStreamMsg) error {
		if len(what.IDs) == 0 && what.Pick != nil && !what.Pick(describe(queue, raw)) {
			return nil
		}
		if err := limit.Wait(ctx); err != nil {
			return fmt.Errorf("redrive dead letter %d: %w", raw.Sequence, err)
		}
		if err := d.again(ctx, q, raw); err != nil {
			return err
		}
		done++
		return nil
	})
	return done, err
}

// again publishes first and deletes then. The copy has what the event had before it died.
func (d *DeadLetters) again(ctx context.Context, q Queue, raw *jetstream.RawStreamMsg) error {
	letter := decodeRaw(raw)
	letter.SetContext(ctx)
	msg := bus.Revive(letter)
	o, err := d.bus.prepare(q.Stream, d.bus.names.redrive(q), msg)
	if err != nil {
		return err
	}
	if err := d.bus.publishOne(o); err != nil {
		return fmt.Errorf("redrive dead letter %d: %w", raw.Sequence, err)
	}
	return d.remove(ctx, q.Name, raw.Sequence)
}
