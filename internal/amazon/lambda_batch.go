package amazon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/internal/lanes"
)

// lambdaBatch are the records of one queue in one invocation.
type lambdaBatch struct {
	ctx     context.Context // of its messages; ends before the function's time does
	name    string          // of the queue, in full
	queue   *lambdaQueue    // nil when no worker of this function has it
	log     *slog.Logger
	began   time.Time
	settled chan struct{} // closed when no record is open

	mu      sync.Mutex
	records []*lambdaRecord
	open    int
	over    bool // the answer is written: what comes now is too late
	lanes   map[string]*lambdaLane
}

// lambdaLane is what a batch has of one lane.
type lambdaLane struct {
	running int  // records that the engine has and did not settle
	failed  bool // nothing may follow
}

// lambdaRecord is one message of a batch, and its receipt for the engine.
type lambdaRecord struct {
	batch   *lambdaBatch
	message *events.SQSMessage
	lane    *lambdaLane // nil until decoded
	state   recordState
	delayed bool          // comes again after a delay of its own, not when its queue no longer hides it
	after   time.Duration // that delay
}

type recordState uint8

const (
	recordWaiting recordState = iota
	recordRunning             // the engine has it
	recordHandled
	recordFailed
)

func newLambdaBatch(ctx context.Context, name string, queue *lambdaQueue, log *slog.Logger) *lambdaBatch {
	return &lambdaBatch{
		ctx: ctx, name: name, queue: queue, log: log.With("queue", name), began: time.Now(),
		settled: make(chan struct{}), lanes: map[string]*lambdaLane{},
	}
}

func (b *lambdaBatch) add(m *events.SQSMessage) {
	b.records = append(b.records, &lambdaRecord{batch: b, message: m})
	b.open++
}

// give hands the messages to their queue. While the store of large bodies is down, what needs it fails, and on a FIFO
// queue what its group holds behind it as well.
func (b *lambdaBatch) give(bus *Bus) {
	if b.queue == nil {
		b.log.Error("no worker of this function has the queue: see LIVEPIPE_WORKERS and LIVEPIPE_PREFIX")
		for _, r := range b.records {
			b.settle(r, recordFailed)
		}
		return
	}
	var deliveries []lanes.Delivery
	waiting := map[string]bool{} // groups
	for _, r := range b.records {
		m := sqsMessage(r.message)
		group := bus.fifoGroup(m)
		if !waiting[group] {
			msg, err := bus.decode(b.ctx, m)
			if err == nil {
				d := bus.deliver(m, msg)
				r.lane, d.Receipt = b.lane(d.Key), r
				deliveries = append(deliveries, d)
				continue
			}
			b.log.Warn("large body not read, its message comes again", "error", err)
			waiting[group] = group != ""
		}
		b.settle(r, recordFailed)
	}
	b.queue.give(deliveries)
}

// sqsMessage is a record in the words of a receive.
func sqsMessage(m *events.SQSMessage) *sqstypes.Message {
	attributes := make(map[string]sqstypes.MessageAttributeValue, len(m.MessageAttributes))
	for name, v := range m.MessageAttributes {
		attributes[name] = sqstypes.MessageAttributeValue{
			DataType: aws.String(v.DataType), StringValue: v.StringValue, BinaryValue: v.BinaryValue,
		}
	}
	return &sqstypes.Message{
		MessageId: aws.String(m.MessageId), Body: aws.String(m.Body),
		Attributes: m.Attributes, MessageAttributes: attributes,
	}
}

func (b *lambdaBatch) lane(key string) *lambdaLane {
	l := b.lanes[key]
	if l == nil {
		l = &lambdaLane{}
		b.lanes[key] = l
	}
	return l
}

// torn reports whether the engine has a part of the lane already.
func (b *lambdaBatch) torn(l *lambdaLane) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return l.running > 0 && !b.over
}

// admit reports whether a record may start. One behind a failed one of its lane fails too, for the sake of order.
func (b *lambdaBatch) admit(r *lambdaRecord) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.lane.failed {
		b.close(r, recordFailed)
	}
	if b.over || r.state != recordWaiting {
		return false
	}
	r.state = recordRunning
	r.lane.running++
	return true
}

// settle takes the outcome of a record. What comes after the answer was written is too late: the message comes again.
func (b *lambdaBatch) settle(r *lambdaRecord, state recordState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close(r, state)
}

// delay is settle for a record that failed and knows when it wants to come again.
func (b *lambdaBatch) delay(r *lambdaRecord, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.close(r, recordFailed) {
		r.delayed, r.after = true, after
	}
}

// close is settle under the lock; it reports whether the outcome counts.
func (b *lambdaBatch) close(r *lambdaRecord, state recordState) bool {
	if b.over || r.state >= recordHandled {
		return false
	}
	if r.state == recordRunning {
		r.lane.running--
		r.lane.failed = r.lane.failed || state == recordFailed
	}
	r.state = state
	if b.open--; b.open == 0 {
		close(b.settled)
	}
	return true
}

// wait ends with the last outcome, or with ctx.
func (b *lambdaBatch) wait(ctx context.Context) {
	select {
	case <-b.settled:
	case <-ctx.Done():
	}
}

// end gives what has to come again, in the queue's order, and how much of it has no outcome.
func (b *lambdaBatch) end() (failed []*lambdaRecord, open int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	for _, r := range b.records {
		if r.state != recordHandled {
			failed = append(failed, r)
		}
	}
	return failed, b.open
}
