package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// healthTimeout bounds Health where ctx does not: an fsync that takes as long is no service.
const healthTimeout = 2 * time.Second

// Health returns nil when both streams take a message and have it on disk. A stream whose write failed once, on a full
// disk, refuses everything until the server is restarted, even when there is room again; so each stream is probed
// itself. A probe replaces the one before: there is never more than one in a stream.
func (b *Bus) Health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	probe := func(stream, subject string) error {
		m := nats.NewMsg(subject)
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		if _, err := b.js.PublishMsg(ctx, m); err != nil {
			return fmt.Errorf("write to stream %s: %w", stream, err)
		}
		return nil
	}
	return errors.Join(
		probe(b.names.events(), b.names.probe()),
		probe(b.names.dead(), b.names.deadProbe()),
	)
}
