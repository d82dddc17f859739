package jetstream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TrimmingEvery returns c with another pace of deleting what is acknowledged.
func (c Config) TrimmingEvery(d time.Duration) Config {
	c.trimEvery = d
	return c
}

// EnsureQueue lets the conformance suite, whose topics are made up as it runs, add them to an open bus.
var EnsureQueue = (*Bus).ensureQueue

// Kill cuts the bus off as the death of its process would: nothing is flushed, no pin is handed back.
func (b *Bus) Kill() { b.nc.Close() }

// Trim deletes once what every durable has acknowledged.
var Trim = (*Bus).trim

// EventStream is a handle of the caller's own.
func (b *Bus) EventStream(ctx context.Context) (jetstream.Stream, error) {
	return b.js.Stream(ctx, b.names.stream(Events))
}

// PinnedTTL is how long an owner may be silent.
const PinnedTTL = pinnedTTL

// Steal receives n messages under the pin of the owner, which never sees them: deliveries that got lost on the way.
func (b *Bus) Steal(ctx context.Context, queue string, n int) error {
	q, err := b.queue(queue)
	if err != nil {
		return err
	}
	durable, err := b.streams[q.Stream].Consumer(ctx, queue)
	if err != nil {
		return err
	}
	thief, err := b.nc.SubscribeSync(b.nc.NewInbox())
	if err != nil {
		return err
	}
	pin := durable.CachedInfo().PriorityGroups[0].PinnedClientID
	if err := b.request(q, thief.Subject, pullRequest{Batch: n, Group: ownerGroup, Pin: pin}); err != nil {
		return err
	}
	for range n {
		if _, err := thief.NextMsgWithContext(ctx); err != nil {
			return err
		}
	}
	return thief.Unsubscribe()
}

// SyncsAlways reports whether the server fsyncs before it acknowledges.
func (s *Server) SyncsAlways() bool { return s.running.JetStreamConfig().SyncAlways }
