package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Backlog is how far a queue is behind.
type Backlog struct {
	Messages int64     // not yet acknowledged: waiting in the stream or in the memory of the owner
	Oldest   time.Time // when the oldest of them was published; zero when there is none
}

// Backlog asks the broker how far a queue is behind; what was acknowledged to its publisher a moment ago may not be
// counted yet. It costs one call when nothing waits, else one more for each topic of the queue and for its redrive
// subject.
func (b *Bus) Backlog(ctx context.Context, queue string) (Backlog, error) {
	q, err := b.queue(queue)
	if err != nil {
		return Backlog{}, fmt.Errorf("look at backlog: %w", err)
	}
	stream := b.streams[q.Stream]
	consumer, err := stream.Consumer(ctx, queue) // asks the server, so that CachedInfo is of now
	if err != nil {
		return Backlog{}, fmt.Errorf("look at backlog of %s: %w", queue, err)
	}
	info := consumer.CachedInfo()
	backlog := Backlog{Messages: int64(info.NumPending) + int64(info.NumAckPending)}
	if backlog.Messages == 0 {
		return backlog, nil
	}
	// Everything up to the ack floor is handled, and the first match behind it is not: the floor stops before it. What
	// is acknowledged and still on disk lies below, or above an older one that is not.
	for _, subject := range b.filters(q) {
		first, err := stream.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return Backlog{}, fmt.Errorf("look at oldest message of %s: %w", queue, err)
		}
		if backlog.Oldest.IsZero() || first.Time.Before(backlog.Oldest) {
			backlog.Oldest = first.Time
		}
	}
	return backlog, nil
}
