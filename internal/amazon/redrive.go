package amazon

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/time/rate"

	"github.com/livepipe/livepipe/internal/bus"
)

// Redrive sends dead letters to the queue that they come from, past the topics, so that no other worker sees them, and
// returns how many went. Each is deleted once SQS has confirmed its copy; a crash in between leaves it in both places,
// and the second effect of an event is none. Under FIFO the copies join the groups of their lanes, behind what stands
// there, with deduplication IDs of their own.
func (d *DeadLetters) Redrive(ctx context.Context, queue string, what bus.Redrive) (int, error) {
	w, err := d.walk(ctx, queue)
	if err != nil {
		return 0, fmt.Errorf("redrive: %w", err)
	}
	defer w.handBack()
	// As many at once as a second has, so that a slow redrive stays even.
	atOnce := int(min(maxBatch, math.Ceil(what.Rate())))
	limit := rate.NewLimiter(rate.Limit(what.Rate()), atOnce)
	done := 0
	err = w.each(ctx, what.IDs, func(batch []*letter) error {
		if len(what.IDs) == 0 && what.Pick != nil {
			batch = slices.DeleteFunc(slices.Clone(batch), func(l *letter) bool { return !what.Pick(l.DeadLetter) })
		}
		slices.SortStableFunc(batch, func(a, b *letter) int { return a.sent.Compare(b.sent) })
		for some := range slices.Chunk(batch, atOnce) {
			if err := limit.WaitN(ctx, len(some)); err != nil {
				return fmt.Errorf("redrive dead letters of %s: %w", queue, err)
			}
			n, err := w.again(ctx, some)
			done += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// again sends first and deletes then. The copies have what the events had before they died.
func (w *walk) again(ctx context.Context, some []*letter) (int, error) {
	copies := make([]*message.Message, len(some))
	for i, l := range some {
		msg, err := w.bus.decode(ctx, &l.raw)
		if err != nil {
			return 0, fmt.Errorf("redrive dead letter %s: %w", l.ID, err)
		}
		msg.SetContext(ctx)
		copies[i] = bus.Revive(msg)
	}
	if err := w.bus.sendToQueue(w.bus.names.queue(w.queue), copies...); err != nil {
		return 0, fmt.Errorf("redrive dead letters of %s: %w", w.queue, err)
	}
	return w.remove(ctx, some)
}
