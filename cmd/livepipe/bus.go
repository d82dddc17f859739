package main

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
	embedded  = "embedded"
	amazonBus = "aws"
)

// openBus is an open bus, whichever it is: the rooms' side of it, the dead letters, and its end.
type openBus struct {
	app.Bus
	dead  deadLetters
	close func() error
}

// deadLetters is what `livepipe dlq` works on.
type deadLetters interface {
	List(ctx context.Context, queue string, limit int) ([]bus.DeadLetter, error)
	Get(ctx context.Context, queue, id string) (bus.DeadLetter, *message.Message, error)
	Redrive(ctx context.Context, queue string, what bus.Redrive) (int, error)
	Purge(ctx context.Context, queue string, ids ...string) (int, error)
}

// busSettings are all that it takes to reach a bus.
type busSettings struct {
	busConfig
	storeConfig
	natsConfig
	claims bus.Claims // where events go that are too large for SNS
}

var errUnknownBus = errors.New("LIVEPIPE_BUS must be embedded, nats://host:port or aws")

// connect opens what LIVEPIPE_BUS names.
func connect(ctx context.Context, s busSettings, log *slog.Logger) (*openBus, error) {
	return connectWith(ctx, s, log, openBroker)
}

// attach is connect for a command: through the process that runs on the data directory when there is one, else the
// files themselves.
func attach(ctx context.Context, s busSettings, log *slog.Logger) (*openBus, error) {
	return connectWith(ctx, s, log, attachBroker)
}

func connectWith(
	ctx context.Context, s busSettings, log *slog.Logger,
	broker func(context.Context, busConfig, natsConfig, *slog.Logger) (*broker, error),
) (*openBus, error) {
	switch {
	case s.Bus == amazonBus:
		return openAmazon(ctx, s, log)
	case s.Bus == embedded, strings.HasPrefix(s.Bus, "nats://"), strings.HasPrefix(s.Bus, "tls://"):
		b, err := broker(ctx, s.busConfig, s.natsConfig, log)
		if err != nil {
			return nil, err
		}
		return b.open(), nil
	}
	return nil, errUnknownBus
}
