package lanes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
)

// ErrClosed is returned by Subscribe after Stop or Close.
var ErrClosed = errors.New("subscriber is closed")

// Subscriber is a Watermill subscriber whose subscriptions are lanes over a Source.
type Subscriber struct {
	cfg     Config
	open    func(ctx context.Context, queue string) (Source, error)
	log     *slog.Logger
	metrics *Metrics

	mu       sync.Mutex
	closed   bool
	active   map[*subscription]struct{}
	attempts map[string]*attempts // by queue
}

var _ message.Subscriber = (*Subscriber)(nil)

// New returns a Subscriber that opens a Source for each subscription. A Source that is also an io.Closer is closed
// when its subscription has ended. The error names every field of cfg that is out of range.
func New(
	cfg Config,
	open func(ctx context.Context, queue string) (Source, error),
	logger *slog.Logger,
	metrics *Metrics,
) (*Subscriber, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("check lanes config: %w", err)
	}
	return &Subscriber{
		cfg: cfg, open: open, log: logger, metrics: metrics,
		active:   make(map[*subscription]struct{}),
		attempts: make(map[string]*attempts),
	}, nil
}

// Subscribe starts to receive from queue. The end of ctx means "stop receiving": it begins the same sequence as
// Stop, bounded by Config.CloseTimeout, and at its end the channel is closed. Contexts of messages carry the values
// of ctx and not its end: they end when the message is acked or nacked, or when the bound of the stop is over.
func (s *Subscriber) Subscribe(ctx context.Context, queue string) (<-chan *message.Message, error) {
	if s.isClosed() {
		return nil, ErrClosed
	}
	attempts, err := s.attemptsAt(queue)
	if err != nil {
		return nil, err
	}
	source, err := s.open(ctx, queue)
	if err != nil {
		return nil, fmt.Errorf("open queue %s: %w", queue, err)
	}
	sub := newSubscription(ctx, s.cfg, queue, source, attempts, s.log.With("worker", queue), s.metrics.of(queue))

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		closeSource(source, s.log)
		return nil, ErrClosed
	}
	s.active[sub] = struct{}{}
	go func() {
		defer close(sub.done)
		sub.loop()
		closeSource(source, s.log)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.active, sub)
	}()
	return sub.out, nil
}

// Stop ends every subscription: intake stops, handlers in flight may finish until ctx ends, what was not started
// goes back to its queue at once, the last settles are flushed, and the channels are closed. When ctx ends first,
// the contexts of running handlers end, and a quarter of Config.SettleTimeout later what still runs goes back as well;
// Stop then returns an error that says how many messages were left, at most Config.SettleTimeout after the end of ctx.
func (s *Subscriber) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	active := slices.Collect(maps.Keys(s.active))
	s.mu.Unlock()

	for _, sub := range active {
		sub.askStop()
	}
	defer context.AfterFunc(ctx, func() {
		for _, sub := range active {
			sub.askHurry()
		}
	})()
	var errs []error
	for _, sub := range active {
		<-sub.done
		errs = append(errs, sub.err)
	}
	return errors.Join(errs...)
}

// Close is Stop bounded by Config.CloseTimeout.
func (s *Subscriber) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.CloseTimeout)
	defer cancel()
	return s.Stop(ctx)
}

// attemptsAt returns what every subscription to queue remembers.
func (s *Subscriber) attemptsAt(queue string) (*attempts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempts[queue] == nil {
		a, err := newAttempts()
		if err != nil {
			return nil, err
		}
		s.attempts[queue] = a
	}
	return s.attempts[queue], nil
}

func (s *Subscriber) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func closeSource(source Source, log *slog.Logger) {
	if c, ok := source.(io.Closer); ok {
		if err := c.Close(); err != nil {
			log.Warn("source not closed", "error", err)
		}
	}
}
