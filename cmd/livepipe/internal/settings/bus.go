package settings

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/app"
	"github.com/livepipe/livepipe/internal/bus"
)

// The words of LIVEPIPE_BUS that are no address.
const (
	Embedded  = "embedded"
	AmazonBus = "aws"
)

// OpenBus is an open bus, whichever it is: the rooms' side of it, the dead letters, and its end.
type OpenBus struct {
	app.Bus
	Dead  DeadLetters
	Close func() error
}

// DeadLetters is what `livepipe dlq` works on.
type DeadLetters interface {
	List(ctx context.Context, queue string, limit int) ([]bus.DeadLetter, error)
	Get(ctx context.Context, queue, id string) (bus.DeadLetter, *message.Message, error)
	Redrive(ctx context.Context, queue string, what bus.Redrive) (int, error)
	Purge(ctx context.Context, queue string, ids ...string) (int, error)
}

// BusSettings are all that it takes to reach a bus.
type BusSettings struct {
	BusConfig
	StoreConfig
	NatsConfig
	Claims bus.Claims // where events go that are too large for SNS
}

var errUnknownBus = errors.New("LIVEPIPE_BUS must be embedded, nats://host:port or aws")

// Connect opens what LIVEPIPE_BUS names.
func Connect(ctx context.Context, s BusSettings, log *slog.Logger) (*OpenBus, error) {
	switch {
	case s.Bus == AmazonBus:
		b, err := OpenTopics(ctx, s, log)
		if err != nil {
			return nil, err
		}
		return &OpenBus{Bus: TopicsBus(b), Dead: b.DeadLetters(), Close: b.Close}, nil
	case s.Bus == Embedded, strings.HasPrefix(s.Bus, "nats://"), strings.HasPrefix(s.Bus, "tls://"):
		b, err := OpenBroker(ctx, s.BusConfig, s.NatsConfig, log)
		if err != nil {
			return nil, err
		}
		return b.Open(), nil
	}
	return nil, errUnknownBus
}

// Attach is Connect for a command: through the process that runs on the data directory when there is one, else the
// files themselves.
func Attach(ctx context.Context, s BusSettings, log *slog.Logger) (*OpenBus, error) {
	if s.Bus == Embedded {
		if at, err := readBrokerAddress(s.DataPath(brokerAddressFile)); err == nil {
			s.Bus, s.NATSToken = at.URL, at.Token
		}
	}
	return Connect(ctx, s, log)
}

// WithBus is Attach for commands that end by themselves. What was too large for SNS stands with the uploads.
func (s BusSettings) WithBus(ctx context.Context, std Streams, use func(*OpenBus) error) error {
	attach := func() error {
		b, err := Attach(ctx, s, Quiet(std))
		if err != nil {
			return err
		}
		return closing(b.Close, func() error { return use(b) })
	}
	if s.Bus != AmazonBus {
		return attach()
	}
	files, err := ProcessConfig{BusConfig: s.BusConfig, StoreConfig: s.StoreConfig}.OpenBlobs(ctx)
	if err != nil {
		return err
	}
	s.Claims = files.Claims()
	return closing(files.Close, attach)
}

// closing does something and then closes what it was done with, whose error counts as well: it may tell of a write that
// never came to the disk.
func closing(end, do func() error) error {
	err := do()
	return errors.Join(err, end())
}
