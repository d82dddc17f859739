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

// Health returns nil when every stream takes a message and has it on disk. A stream whose write failed once, on a full
// disk, refuses everything until the server is restarted, even when there is room again; so each stream is probed
// itself. A probe replaces the one before: there is never more than one in a stream.
func (b *Bus) Health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var problems []error
	for _, stream := range []string{Events, Dispatch, deadLetters} {
		m := nats.NewMsg(b.names.probe(stream))
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		if _, err := b.js.PublishMsg(ctx, m); err != nil {
			problems = append(problems, fmt.Errorf("write to stream %s: %w", b.names.stream(stream), err))
		}
	}
	return errors.Join(problems...)
}
