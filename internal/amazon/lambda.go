package amazon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/livepipe/livepipe/internal/lanes"
)

// Lambda is the bus inside an AWS Lambda function, where nobody asks SQS for messages: the event source mapping of a
// worker's queue brings a batch with every invocation, and deletes what the answer does not name.
//
//	invocation ──▶ Handle ──▶ lambdaQueue of the worker ──▶ Fetch ──▶ lanes ──▶ router ──▶ worker
//	    answer ◀── what failed ◀──────── lambdaBatch ◀───── Settle ◀── ack, nack
//
// The mapping has to report batch item failures (FunctionResponseTypes), and the queue has to hide messages for longer
// than the function may run: AWS recommends 6 times its timeout.
type Lambda struct {
	bus    *Bus
	log    *slog.Logger
	queues map[string]*lambdaQueue // by full name
}

// Lambda prepares the queues of some workers. They live as long as the process, from one invocation to the next.
func (b *Bus) Lambda(workers ...string) *Lambda {
	l := &Lambda{bus: b, log: b.log, queues: map[string]*lambdaQueue{}}
	for _, worker := range workers {
		l.queues[b.names.queue(worker)] = newLambdaQueue()
	}
	return l
}

// Engine is what the consumer engine has to know.
func (l *Lambda) Engine() lanes.Config {
	const longestRun = 15 * time.Minute // of a function; no lease is ever extended
	return lanes.Config{Order: lanes.Invocation, Lease: longestRun, LargestMessage: largest}
}

// Source is the queue of one worker as the engine sees it.
func (l *Lambda) Source(_ context.Context, worker string) (lanes.Source, error) {
	q, ok := l.queues[l.bus.names.queue(worker)]
	if !ok {
		return nil, fmt.Errorf("open source: %s is no worker of this function", worker)
	}
	return q, nil
}

// errNameless brings the whole batch back. An answer cannot report a record without a name as failed, because an empty
// name in it means the whole batch as well.
var errNameless = errors.New("a record without messageId failed")

// Handle is the function's handler. It returns once every record is handled, or shortly before the deadline, with the
// names of those that have to come again.
func (l *Lambda) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	times := timesOf(ctx, time.Now())
	work, cancel := until(ctx, times.work)
	defer cancel()
	batches := l.sort(work, event.Records)
	for _, b := range batches {
		b.give(l.bus)
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}} // never null
	var err error
	for _, b := range batches {
		for _, r := range l.finish(ctx, times, b) {
			if r.message.MessageId == "" {
				err = errNameless
			}
			answer.BatchItemFailures = append(answer.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: r.message.MessageId})
		}
	}
	if err != nil {
		return events.SQSEventResponse{}, err
	}
	return answer, nil
}

// sort makes a batch for each queue. AWS sends records of one queue at a time.
func (l *Lambda) sort(ctx context.Context, records []events.SQSMessage) []*lambdaBatch {
	var batches []*lambdaBatch
	byName := map[string]*lambdaBatch{}
	for i := range records {
		m := &records[i]
		name := m.EventSourceARN[strings.LastIndexByte(m.EventSourceARN, ':')+1:]
		b := byName[name]
		if b == nil {
			b = newLambdaBatch(ctx, name, l.queues[name], l.log)
			byName[name] = b
			batches = append(batches, b)
		}
		b.add(m)
	}
	return batches
}

// finish waits for a batch and returns what has to come again.
func (l *Lambda) finish(ctx context.Context, times lambdaTimes, b *lambdaBatch) []*lambdaRecord {
	waiting, cancel := until(ctx, times.answer)
	defer cancel()
	b.wait(waiting)
	failed, open := b.end()
	if open > 0 {
		b.log.Warn("the function's time is over, what is not done comes again", "messages", open)
	}
	calls, cancelCalls := until(ctx, times.calls)
	defer cancelCalls()
	l.comeAgain(calls, b, failed)
	return failed
}

// comeAgain lets failed messages come again after their own delay, instead of when the queue no longer hides them: the
// first retry then comes within a second and not after minutes. It is worth one call, and harmless when it fails.
func (l *Lambda) comeAgain(ctx context.Context, b *lambdaBatch, failed []*lambdaRecord) {
	var changes []change
	for _, r := range failed {
		if r.delayed && r.message.ReceiptHandle != "" {
			handle := &receipt{handle: r.message.ReceiptHandle, at: b.began}
			changes = append(changes, hide(handle, r.after, time.Now()))
		}
	}
	if len(changes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, comeAgainBound)
	defer cancel()
	url, err := l.bus.queueURL(ctx, b.name)
	if err == nil {
		err = errors.Join(l.bus.change(ctx, url, changes)...)
	}
	if err != nil {
		b.log.Debug("the delay of failed messages is not set, the queue's own holds", "error", err)
	}
}

// comeAgainBound is for a batch of ten, which takes one call.
const comeAgainBound = 2 * time.Second
