package app

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/internal/lanes"
)

// asked is a queue that notes how many messages the engine asks for first.
type asked struct {
	lanes.Source
	limits chan int
}

func (a asked) Fetch(ctx context.Context, limit int) ([]lanes.Delivery, error) {
	select {
	case a.limits <- limit:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestHeldMessagesAreBoundedByTheSettings: an engine asks for what it has room for, and its room is what the settings say.
func TestHeldMessagesAreBoundedByTheSettings(t *testing.T) {
	const largest = 1 << 20
	for name, test := range map[string]struct {
		messages, bytes, asks int
		refused               string
	}{
		"the bus's own":      {0, 0, 12, ""}, // 12 MiB
		"fewer messages":     {7, 0, 7, ""},
		"more than receipts": {50, 0, 12, ""},
		"fewer bytes":        {0, 5 * largest, 5, ""},
		"no messages":        {-1, 0, 0, "MaxMessages is -1, must be at least 4"},
		"bytes for too few":  {0, 3 * largest, 0, "MaxBytes is 3145728, must be at least 4194304"},
	} {
		t.Run(name, func(t *testing.T) {
			limits := make(chan int)
			log := slog.New(slog.DiscardHandler)
			p := &process{log: log, health: watching(nil, Bus{}, log), Options: Options{
				Registry: prometheus.NewRegistry(),
				Router:   &RouterOptions{Concurrency: 4, MaxHeld: test.messages, MaxHeldBytes: test.bytes},
				Bus: Bus{
					Engine: lanes.Config{MaxMessages: 16, MaxReceipts: 20, MaxBytes: 12 * largest, LargestMessage: largest},
					Source: func(context.Context, string) (lanes.Source, error) { return asked{limits: limits}, nil },
				},
			}}
			err := p.makeEngine()
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) || !strings.Contains(err.Error(), "LIVEPIPE_MAX_HELD") {
					t.Errorf("%v, want %s", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.engine.Close()
			if _, err := p.engine.Subscribe(t.Context(), "history"); err != nil {
				t.Fatal(err)
			}
			if got := <-limits; got != test.asks {
				t.Errorf("asks for %d messages, want %d", got, test.asks)
			}
		})
	}
}
