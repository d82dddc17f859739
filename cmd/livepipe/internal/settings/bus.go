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

// openBus is an open bus, whichever it is: the rooms' side of it, the dead letters, and its end.
type openBus struct {
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
func Connect(ctx context.Context, s BusSettings, log *slog.Logger) (*openBus, error) {
	return connectWith(ctx, s, log, OpenBroker)
}

// Attach is connect for a command: through the process that runs on the data directory when there is one, else the
// files themselves.
func Attach(ctx context.Context, s BusSettings, log *slog.Logger) (*openBus, error) {
	return connectWith(ctx, s, log, attachBroker)
}

func connectWith(
	ctx context.Context, s BusSettings, log *slog.Logger,
	broker func(context.Context, BusConfig, NatsConfig, *slog.Logger) (*broker, error),
) (*openBus, error) {
	switch {
	case s.Bus == AmazonBus:
		return openAmazon(ctx, s, log)
	case s.Bus == Embedded, strings.HasPrefix(s.Bus, "nats://"), strings.HasPrefix(s.Bus, "tls://"):
		b, err := broker(ctx, s.BusConfig, s.NatsConfig, log)
		if err != nil {
			return nil, err
		}
		return b.Open(), nil
	}
	return nil, errUnknownBus
}
