package amazon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/livepipe/livepipe/internal/lanes"
)

// Visibility is how long SQS hides a message that was received or extended, as each call says; the queue's own setting
// does not matter. It is how long the messages of a process that was killed wait for another, and twice the age at which
// a message that is still held costs an extension: a tenth of a call.
const Visibility = 30 * time.Second

const (
	// engineMessages are held by one subscription: 16 for each of 64 handlers, so that with handlers of a second and
	// less nothing waits for half of Visibility and costs an extension.
	engineMessages = 1 << 10
	// engineReceipts adds what is handled and waits for a delete that fails. SQS counts at most 120,000 hidden messages
	// for all processes of a queue.
	engineReceipts = 16 << 10
	// largest is what SQS takes, and what ingress accepts: a large event counts with its body.
	largest = 1 << 20
	// engineBytes leave a hot key, which may have a quarter of them, its 32 messages even if all of them are large.
	engineBytes = 4 * 32 * largest
	// A delete waits so long for nine others. On a FIFO queue the next message of a group waits for it as well.
	linger, fifoLinger = 100 * time.Millisecond, 20 * time.Millisecond
)

// Engine is what the consumer engine needs to know about the queues of the bus.
func (b *Bus) Engine() lanes.Config {
	c := lanes.Config{
		Lease: Visibility, Order: lanes.Unordered, SettleBatch: maxBatch, SettleLinger: linger,
		MaxMessages: engineMessages, MaxReceipts: engineReceipts, MaxBytes: engineBytes, LargestMessage: largest,
	}
	if b.cfg.FIFO {
		c.Order, c.KeysLock, c.SettleLinger = lanes.Ordered, true, fifoLinger
	}
	return c
}

// Source is one SQS queue as the engine sees it. Receives run in the background: one when the queue is idle, more while
// it has a backlog, and never for more messages than the engine has granted.
type Source struct {
	bus        *Bus
	url        string
	log        *slog.Logger
	visibility time.Duration

	receives  context.Context // until Close gives up what is open
	giveUp    context.CancelFunc
	closing   chan struct{}
	closeOnce sync.Once

	fetching sync.Mutex // held by Fetch, and by Close when it has ended; it guards what follows
	pollers  pollers
	arrived  []received // in the queue's order as far as it has one
	failed   bool       // the last Fetch: the next receive hardly waits
}

var _ lanes.Source = (*Source)(nil)

// received is a delivery that the engine has not fetched yet.
type received struct {
	lanes.Delivery
	at time.Time
}

// Source opens the queue for this process. Any number of processes may consume one queue. Close it when its
// subscription has ended. The end of ctx closes nothing.
func (b *Bus) Source(ctx context.Context, queue string) (*Source, error) {
	return b.source(ctx, queue, Visibility)
}

func (b *Bus) source(ctx context.Context, queue string, visibility time.Duration) (*Source, error) {
	url, err := b.queueURL(ctx, b.names.queue(queue))
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	s := &Source{
		bus: b, url: url, log: b.log.With("queue", queue), visibility: visibility,
		closing: make(chan struct{}), pollers: newPollers(),
	}
	s.receives, s.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

// gather is how long a grant that does not fill a receive waits for the engine to grant more. Under a backlog a full
// engine frees one place after the other, and a receive of one message costs as much as one of ten.
const gather = 50 * time.Millisecond

var errSourceClosed = errors.New("the source is closed")

// Fetch returns what has arrived, or waits for it. When ctx ends it asks for nothing more, waits for the receives that
// are open, because what arrives for one that was given up is hidden until its lease ends, and returns what they bring.
func (s *Source) Fetch(ctx context.Context, limit int) ([]lanes.Delivery, error) {
	s.fetching.Lock()
	defer s.fetching.Unlock()
	enough := time.NewTimer(gather)
	defer enough.Stop()
	small := false // a receive of fewer than ten is worth it
	ended := ctx.Done()
	err := s.collect()
	for {
		if batch := s.take(ctx, limit); len(batch) > 0 {
			return batch, nil
		}
		switch {
		case ctx.Err() == nil && err != nil:
			s.failed = true
			return nil, fmt.Errorf("receive: %w", err)
		case ctx.Err() == nil:
			s.poll(limit, small)
		case s.pollers.open == 0:
			return nil, ctx.Err()
		}
		select {
		case a := <-s.pollers.answers:
			err = errors.Join(s.accept(a), s.collect())
			if s.failed && err == nil && ctx.Err() == nil {
				s.failed = false
				return nil, nil // SQS answers again; what came with it is there for the next call
			}
		case <-enough.C:
			small = true
		case <-ended:
			ended = nil
		case <-s.closing:
			return nil, errSourceClosed
		}
	}
}

// take removes at most limit deliveries from what has arrived, and starts the next receives in their stead. While a
// stop waits for open receives it takes nothing, since it is the last time that anybody asks.
func (s *Source) take(ctx context.Context, limit int) []lanes.Delivery {
	if ctx.Err() != nil && s.pollers.open > 0 {
		return nil
	}
	s.dropStale()
	n := min(limit, len(s.arrived))
	if n == 0 {
		return nil
	}
	if ctx.Err() == nil {
		s.poll(limit, false)
	}
	batch := make([]lanes.Delivery, n)
	for i, r := range s.arrived[:n] {
		batch[i] = r.Delivery
	}
	if s.arrived = s.arrived[n:]; len(s.arrived) == 0 {
		s.arrived = nil
	}
	return batch
}

// dropStale hands back what arrived while the engine did not fetch, because it was paused. The engine takes a lease for
// fresh and extends it after half of its time; a quarter that has gone before leaves it a quarter to try again.
func (s *Source) dropStale() {
	now, n := time.Now(), 0
	for n < len(s.arrived) && now.Sub(s.arrived[n].at) > s.visibility/4 {
		n++
	}
	if n == 0 {
		return
	}
	stale := s.arrived[:n]
	s.arrived = s.arrived[n:]
	ctx, cancel := context.WithTimeout(s.receives, sqsTimeout)
	defer cancel()
	if err := s.handBack(ctx, stale); err != nil {
		s.log.Debug("stale messages not handed back, they come back by themselves", "error", err)
	}
}

const (
	// closeGrace is what Close grants to receives that are open. Under load they answer at once; on an idle queue one
	// may be open for Config.PollWait, and giving it up hides what arrives for it until its lease ends.
	closeGrace = time.Second
	// closeFlush bounds handing back what came too late for a Fetch.
	closeFlush = 2 * time.Second
)

// Close ends the receives and hands back at once what they brought and nobody fetched. It takes three seconds at most.
func (s *Source) Close() error {
	s.closeOnce.Do(func() { close(s.closing) })
	s.fetching.Lock()
	defer s.fetching.Unlock()
	defer s.giveUp()
	defer time.AfterFunc(closeGrace, s.giveUp).Stop()
	for s.pollers.open > 0 {
		_ = s.accept(<-s.pollers.answers) // nobody asks for them any more
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.receives), closeFlush)
	defer cancel()
	late := s.arrived
	s.arrived = nil
	if err := s.handBack(ctx, late); err != nil {
		return fmt.Errorf("hand back %d messages: %w", len(late), err)
	}
	return nil
}
