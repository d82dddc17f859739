package jetstream

import "context"

// EnsureQueue lets the conformance suite, whose topics are made up as it runs, add them to an open bus.
var EnsureQueue = (*Bus).ensureQueue

// Kill cuts the bus off as the death of its process would: nothing is flushed, no pin is handed back.
func (b *Bus) Kill() { b.nc.Close() }

// PinnedTTL is how long an owner may be silent.
const PinnedTTL = pinnedTTL

// ResetQueue is what a second owner does to a first one that does not know of it.
func (b *Bus) ResetQueue(ctx context.Context, queue string) error {
	_, err := b.js.ResetConsumer(ctx, b.names.events(), queue)
	return err
}

// SyncsAlways reports whether the server fsyncs before it acknowledges.
func (s *Server) SyncsAlways() bool { return s.running.JetStreamConfig().SyncAlways }
