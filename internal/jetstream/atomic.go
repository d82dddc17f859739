package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// longLane is from how many messages of one lane on a call goes as atomic batches. One after the other they cost an
	// fsync each; a batch costs the server some files of its own, as much as a handful of messages.
	longLane = 16
	// atomicSize is the server's own bound for one batch.
	atomicSize = 1000
	// atomicAtOnce is how many batches of this process are under way; the server takes 50 for each stream, of all processes.
	atomicAtOnce = 4
)

// The headers of an atomic batch (NATS ADR-50).
const (
	headerBatch    = "Nats-Batch-Id"
	headerSequence = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"
)

// What the server says of a batch that may succeed when it is sent again.
const (
	codeIncompleteBatch jetstream.ErrorCode = 10176 // part of it was lost on the way
	codeTooManyBatches  jetstream.ErrorCode = 10210
)

// publishAtomic sends messages in their order as batches of which the server keeps all or nothing: it writes a batch at
// once, with one fsync before it answers (nats-server 2.15). So whatever fails, no message of a lane stands in the stream
// before an earlier one.
func (b *Bus) publishAtomic(batch []outgoing) error {
	for len(batch) > 0 {
		n := 1
		for n < min(len(batch), atomicSize) && batch[n].stream == batch[0].stream {
			n++
		}
		if err := b.publishBatch(batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// publishBatch sends one batch until the server has it or the time of the call is over, which its first message knows.
func (b *Bus) publishBatch(batch []outgoing) error {
	ctx, cancel := withPublishTimeout(batch[0].ctx)
	defer cancel()
	subject := batch[0].msg.Subject
	select {
	case b.batches <- struct{}{}:
		defer func() { <-b.batches }()
	case <-ctx.Done():
		return unpublished(subject, ctx.Err())
	}
	for {
		err := b.tryBatch(ctx, batch)
		if err == nil {
			return nil
		}
		if !mayPass(err) || b.nc.IsClosed() || pause(ctx, publishRetryWait) != nil {
			return unpublished(subject, err)
		}
	}
}

// mayPass reports whether a batch that failed so may succeed in a moment. It may be in the stream all the same; then it
// comes twice.
func mayPass(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode == codeIncompleteBatch || api.ErrorCode == codeTooManyBatches
	}
	return errors.Is(err, errDisconnected) || errors.Is(err, nats.ErrNoResponders)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryBatch sends a batch once. The server answers its last message.
func (b *Bus) tryBatch(ctx context.Context, batch []outgoing) error {
	attempt, cancel := b.untilDisconnect(ctx)
	defer cancel()
	id, last := rand.Text(), len(batch)-1
	for i, o := range batch {
		o.msg.Header.Set(headerBatch, id)
		o.msg.Header.Set(headerSequence, strconv.Itoa(i+1))
		if i == last {
			break
		}
		if err := b.nc.PublishMsg(o.msg); err != nil {
			return err
		}
	}
	batch[last].msg.Header.Set(headerCommit, "1")
	answer, err := b.nc.RequestMsgWithContext(attempt, batch[last].msg)
	if err != nil {
		if cause := context.Cause(attempt); cause != nil && ctx.Err() == nil {
			return cause
		}
		return err
	}
	return stored(answer, batch)
}

// stored reads the server's answer to a batch.
func stored(answer *nats.Msg, batch []outgoing) error {
	var ack struct {
		Error  *jetstream.APIError `json:"error"`
		Stream string              `json:"stream"`
		Count  int                 `json:"count"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return fmt.Errorf("read answer to a batch: %w", err)
	}
	switch {
	case ack.Error != nil:
		return ack.Error
	case ack.Stream != batch[0].stream:
		return fmt.Errorf("stream %s took it", ack.Stream)
	case ack.Count != len(batch):
		return fmt.Errorf("the server kept %d of a batch of %d", ack.Count, len(batch))
	}
	return nil
}
