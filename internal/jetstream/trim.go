package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// trimEvery is how long an acknowledged event stays on disk. Under load one purge a second costs about ten fsyncs, for
// itself and the states of stream and consumers, where interest retention costs one for each event.
const trimEvery = time.Second

// trimUntil deletes acknowledged events until ctx ends. Every open Bus does, in every process: the purge of one leaves
// nothing to the others, and a late one asks for what is gone already.
func (b *Bus) trimUntil(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !b.nc.IsConnected() {
			continue // logged as such
		}
		err := b.trim(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, errDisconnected):
		case err != nil && !failing:
			b.log.Warn("acknowledged events stay on disk", "error", err)
			failing = true
		case err == nil && failing:
			b.log.Info("acknowledged events are deleted again")
			failing = false
		}
	}
}

// trim deletes what every durable of the event stream has acknowledged, with one fsync for all of it.
func (b *Bus) trim(ctx context.Context) error {
	ctx, cancel := b.call(ctx, apiTimeout)
	defer cancel()
	err := func() error {
		// A handle of its own: Info writes to the handle that it is asked of, and the Bus's is everybody's.
		stream, err := b.js.Stream(ctx, b.names.stream(Events))
		if err != nil {
			return fmt.Errorf("look at stream: %w", err)
		}
		state := stream.CachedInfo().State
		if state.FirstSeq >= state.LastSeq {
			return nil
		}
		floor, err := b.acknowledged(ctx, stream, state)
		if err != nil || floor < state.FirstSeq {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSequence(floor+1))
	}()
	if err != nil {
		return fmt.Errorf("trim stream %s: %w", b.names.stream(Events), errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

// acknowledged returns a sequence up to which every durable has acknowledged whatever it wants. Nothing else may be
// below it, and that depends on the order of three looks, each at the leader of stream or durable:
//
//  1. the last sequence of the stream (state),
//  2. the subjects that have messages in the stream,
//  3. the ack floors and filters of all durables.
//
// Say that a durable still needs message m, and m is not above the last sequence. It stood there at look 1 and was not
// purged before look 2, by the same argument; so its subject is in look 2, the durable is held to its ack floor, and m,
// not acknowledged, is above that. A durable or a filter that appears after look 3 starts behind everything of look 1,
// since durables deliver only what is new. One that has no message of its subjects in the stream holds nothing back,
// else the quietest would keep everybody's events.
//
// NumPending says nothing here: the server counts it up some time after the message is stored and acknowledged to its
// publisher, and until then a durable that has not even seen the message looks as if it had settled everything.
//
// The newest message always stays, because a purge of the whole stream replaces its directory, with renames that are
// not fsynced, and the last sequence would stand in a tombstone alone. Health's probe takes its place within seconds.
func (b *Bus) acknowledged(ctx context.Context, stream jetstream.Stream, state jetstream.StreamState) (uint64, error) {
	floor := state.LastSeq - 1
	now, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return 0, fmt.Errorf("look at subjects: %w", err)
	}
	missing := b.durables(Events)
	strays := max(0, state.Consumers-len(missing))
	lister := stream.ListConsumers(ctx)
	for info := range lister.Info() { // to the end, which ends the lister's goroutine too
		if _, ok := missing[info.Name]; ok {
			delete(missing, info.Name)
		} else {
			strays--
		}
		if wantsAny(info.Config, now.State.Subjects) {
			floor = min(floor, info.AckFloor.Stream)
		}
	}
	if err := lister.Err(); err != nil {
		return 0, fmt.Errorf("look at consumers: %w", err)
	}
	// The server leaves out a consumer that it cannot ask now.
	if len(missing) > 0 || strays > 0 {
		return 0, fmt.Errorf("look at consumers: %d are missing", len(missing)+max(0, strays))
	}
	return floor, nil
}

// durables returns the names of the queues in a stream.
func (b *Bus) durables(stream string) map[string]struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[string]struct{})
	for name, q := range b.queues {
		if q.Stream == stream {
			all[name] = struct{}{}
		}
	}
	return all
}

// wantsAny reports whether the consumer's filters match one of the subjects. A consumer that is not ours may have
// wildcards, or no filter at all.
func wantsAny(c jetstream.ConsumerConfig, subjects map[string]uint64) bool {
	filters := c.FilterSubjects
	if c.FilterSubject != "" {
		filters = []string{c.FilterSubject}
	}
	if len(filters) == 0 {
		return len(subjects) > 0
	}
	for subject := range subjects {
		for _, filter := range filters {
			if server.SubjectMatchesFilter(subject, filter) {
				return true
			}
		}
	}
	return false
}
