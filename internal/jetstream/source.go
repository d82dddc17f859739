package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livepipe/livepipe/internal/lanes"
)

// Source is the durable consumer of one queue as the engine sees it. See the package comment for ownership and order.
type Source struct {
	bus   *Bus
	queue Queue
	log   *slog.Logger

	alive   context.Context // until Close
	stop    context.CancelFunc
	watched chan struct{} // the watch has ended

	fetching sync.Mutex // held by Fetch, and by Close when it has ended
	pull     pull
	failed   bool // the last Fetch

	epoch atomic.Pointer[epoch] // receipts of another epoch are stale

	resetting sync.Mutex // one reset of the durable at a time
	pinMu     sync.Mutex
	pin       string // id the server gave us as owner; "" while we stand by
	lostPin   string // the one before; its late deliveries are nobody's
}

// epoch is the time between two resets of the durable. Its address is its identity.
type epoch struct {
	ackPrefix string // "$JS.ACK....<stream>.<durable>."; set before the first delivery is handed out
	next      uint64 // consumer sequence that the next delivery must have
}

var (
	_ lanes.Source   = (*Source)(nil)
	_ lanes.Rereader = (*Source)(nil)
)

// Source opens the queue for this process. Several may be open on one queue, here and elsewhere; one of them receives.
// Close it when its subscription has ended, so that another takes over at once instead of within 3 s. The end of ctx
// closes nothing.
func (b *Bus) Source(ctx context.Context, queue string) (*Source, error) {
	q, err := b.queue(queue)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	s := &Source{bus: b, queue: q, log: b.log.With("queue", queue), watched: make(chan struct{})}
	s.alive, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go s.watch()
	return s, nil
}

// Fetch waits until this process owns the queue and there is something to handle.
func (s *Source) Fetch(ctx context.Context, limit int) ([]lanes.Delivery, error) {
	s.fetching.Lock()
	defer s.fetching.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.alive, cancel)()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.pull.broken() {
			if err := s.startEpoch(ctx); err != nil {
				s.failed = true
				return nil, fmt.Errorf("fetch from %s: %w", s.queue.Name, err)
			}
		}
		msgs, err := s.pull.next(ctx, limit, s.request)
		batch, ok := s.accept(msgs)
		switch {
		case !ok: // of another pin, or something is missing: nothing of it may be handled
			s.pull.breakOff()
		case len(batch) > 0:
			s.failed = false
			return batch, nil
		case errors.Is(err, errWrongPin):
			s.losePin(s.ownPin())
			s.pull.breakOff()
		case ctx.Err() != nil: // the request stays: what arrives for it waits for the next call
			return nil, ctx.Err()
		case err != nil:
			s.pull.breakOff()
			s.failed = true
			return nil, fmt.Errorf("fetch from %s: %w", s.queue.Name, err)
		case s.failed: // a heartbeat: the queue answers again
			s.failed = false
			return nil, nil
		}
	}
}

// startEpoch gives up every earlier delivery and makes the server start again after the ack floor. The new inbox comes
// first, so that nothing delivered before the reset is taken for something after it.
func (s *Source) startEpoch(ctx context.Context) error {
	s.epoch.Store(&epoch{next: 1})
	if err := s.pull.open(s.bus); err != nil {
		return err
	}
	s.resetting.Lock()
	defer s.resetting.Unlock()
	if s.ownPin() == "" {
		return nil // standing by: whoever is the owner must not be disturbed
	}
	if err := s.reset(ctx); err != nil {
		s.pull.breakOff()
		return err
	}
	return nil
}

func (s *Source) reset(ctx context.Context) error {
	ctx, cancel := s.bus.call(ctx, apiTimeout)
	defer cancel()
	if _, err := s.bus.js.ResetConsumer(ctx, s.bus.names.stream(s.queue.Stream), s.queue.Name); err != nil {
		return fmt.Errorf("reset consumer: %w", err)
	}
	return nil
}

// accept turns msgs into deliveries. False means that the epoch is over: the pin is new, so that earlier deliveries
// belong to somebody else, or a delivery before one of these got lost.
func (s *Source) accept(msgs []*nats.Msg) ([]lanes.Delivery, bool) {
	batch := make([]lanes.Delivery, 0, len(msgs))
	e := s.epoch.Load()
	for _, m := range msgs {
		if pin := m.Header.Get(pinHeader); pin != s.ownPin() {
			s.takePin(pin)
			return nil, false
		}
		meta, err := m.Metadata()
		if err != nil || meta.Sequence.Consumer != e.next {
			s.log.Warn("delivery missing, starting again from the ack floor")
			return nil, false
		}
		if e.ackPrefix == "" {
			e.ackPrefix = ackPrefix(m.Reply)
		}
		e.next++
		msg := decode(m, meta.Sequence.Stream)
		batch = append(batch, lanes.Delivery{
			Message: msg,
			Receipt: receipt{e, meta.Sequence.Stream, meta.Sequence.Consumer},
			Key:     laneOf(msg, m.Subject),
			Size:    m.Size(),
		})
	}
	return batch, true
}

// watch keeps the pin while the engine asks for nothing, because it is full or paused; and while this process stands by,
// it looks for a queue that nobody owns.
func (s *Source) watch() {
	defer close(s.watched)
	tick := time.NewTicker(pinnedTTL / 6)
	defer tick.Stop()
	for {
		var err error
		if pin := s.ownPin(); pin == "" {
			err = s.rescue()
		} else if err = s.bus.signOfLife(s.alive, s.queue, pin); errors.Is(err, errWrongPin) {
			s.losePin(pin)
		}
		if err != nil && s.alive.Err() == nil {
			s.log.Debug("queue not watched", "error", err)
		}
		select {
		case <-s.alive.Done():
			return
		case <-tick.C:
		}
	}
}

// rescue makes the server deliver again what a dead owner held. The server gives the pin away with the next delivery,
// and there is none while everything is out for acknowledgement and nothing new comes. If somebody gets the pin
// between the look and the reset, he sees the gap and starts again.
func (s *Source) rescue() error {
	s.resetting.Lock()
	defer s.resetting.Unlock()
	ctx, cancel := s.bus.call(s.alive, apiTimeout)
	defer cancel()
	durable, err := s.bus.streams[s.queue.Stream].Consumer(ctx, s.queue.Name)
	if err != nil {
		return fmt.Errorf("look for an owner: %w", err)
	}
	info := durable.CachedInfo()
	for _, group := range info.PriorityGroups {
		if group.PinnedClientID != "" {
			return nil
		}
	}
	if info.NumAckPending == 0 || s.ownPin() != "" {
		return nil
	}
	return s.reset(ctx)
}

// Close hands the queue over: what is not acknowledged can be delivered again at once, to whoever gets the pin now.
func (s *Source) Close() error {
	s.stop()
	<-s.watched
	s.fetching.Lock()
	defer s.fetching.Unlock()
	s.pull.breakOff()
	pin := s.ownPin()
	if pin == "" || !s.bus.nc.IsConnected() {
		return nil
	}
	s.losePin(pin)
	ctx, cancel := s.bus.call(context.Background(), apiTimeout)
	defer cancel()
	stream := s.bus.streams[s.queue.Stream]
	if err := errors.Join(s.reset(ctx), stream.UnpinConsumer(ctx, s.queue.Name, ownerGroup)); err != nil {
		return fmt.Errorf("hand over queue %s: %w", s.queue.Name, err)
	}
	return nil
}

func (s *Source) ownPin() string {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	return s.pin
}

func (s *Source) takePin(pin string) {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	if pin != s.lostPin {
		s.pin = pin
		s.log.Info("queue taken over")
	}
}

// losePin makes the receipts of the pin stale at once.
func (s *Source) losePin(pin string) {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	if pin != "" && s.pin == pin {
		s.pin, s.lostPin = "", pin
		s.epoch.Store(&epoch{})
		s.log.Info("queue handed over")
	}
}
