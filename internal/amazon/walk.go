package amazon

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/internal/bus"
)

const (
	// walkLease hides what a walk has received. It is renewed at half of its time, between two receives.
	walkLease = 2 * time.Minute
	// walkWait is how long a receive of a walk waits. A receive that does not wait asks some of SQS's servers only, and
	// may find nothing in a queue that is not empty.
	walkWait = time.Second
	// walkSlack is what the clocks of SQS may differ by; the time in its answers has no fractions either. What comes
	// back within this time after a walk began may be visited again.
	walkSlack = 5 * time.Second
)

// walk looks at the dead letters that a queue holds when it begins.
type walk struct {
	bus   *Bus
	queue string
	url   string
	until time.Time // by SQS's clock: what is sent later came back, or is new
	seen  map[string]*letter
}

// letter is a dead letter that a walk holds.
type letter struct {
	bus.DeadLetter
	raw     sqstypes.Message
	sent    time.Time
	receipt *receipt // at: when it was hidden last
	gone    bool
}

func (d *DeadLetters) walk(ctx context.Context, queue string) (*walk, error) {
	if err := d.known(queue); err != nil {
		return nil, err
	}
	url, err := d.bus.queueURL(ctx, d.bus.names.deadQueue(queue))
	if err != nil {
		return nil, fmt.Errorf("look at dead letters: %w", err)
	}
	return &walk{bus: d.bus, queue: queue, url: url, seen: map[string]*letter{}}, nil
}

// batches yields the dead letters as SQS shows them, ten at most at a time and limit altogether. It ends when there is
// nothing more to see.
func (w *walk) batches(ctx context.Context, limit int) iter.Seq2[[]*letter, error] {
	return func(yield func([]*letter, error) bool) {
		for left := limit; left > 0; {
			if err := w.extend(ctx); err != nil {
				yield(nil, err)
				return
			}
			batch, err := w.receive(ctx, min(left, maxBatch))
			if err != nil {
				yield(nil, err)
				return
			}
			if len(batch) == 0 || !yield(batch, nil) {
				return
			}
			left -= len(batch)
		}
	}
}

// receive returns what it has not seen before, or nothing at the end: the queue is empty, or shows what came later. A walk
// that took longer than its lease sees the same again first.
func (w *walk) receive(ctx context.Context, n int) ([]*letter, error) {
	for {
		msgs, err := w.look(ctx, n)
		if err != nil {
			return nil, err
		}
		var fresh []*letter
		repeats, now := 0, time.Now()
		for _, m := range msgs {
			r := &receipt{handle: aws.ToString(m.ReceiptHandle), at: now}
			id := aws.ToString(m.MessageId)
			if known := w.seen[id]; known != nil {
				known.receipt = r
				repeats++
				continue
			}
			l := w.letter(m, r)
			w.seen[id] = l
			if !l.sent.After(w.until) {
				fresh = append(fresh, l)
			}
		}
		if len(fresh) > 0 || repeats == 0 || repeats < len(msgs) {
			return fresh, nil
		}
	}
}

// look is one receive.
func (w *walk) look(ctx context.Context, n int) ([]sqstypes.Message, error) {
	out, err := w.bus.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:              &w.url,
		MaxNumberOfMessages:   int32(n),
		WaitTimeSeconds:       roundUp(walkWait),
		VisibilityTimeout:     roundUp(walkLease),
		MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{
			sqstypes.MessageSystemAttributeNameSentTimestamp, sqstypes.MessageSystemAttributeNameDeadLetterQueueSourceArn,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("look at dead letters of %s: %w", w.queue, err)
	}
	if w.until.IsZero() {
		server, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
		if !ok {
			server = time.Now()
		}
		w.until = server.Add(walkSlack)
	}
	return out.Messages, nil
}

func (w *walk) letter(m sqstypes.Message, r *receipt) *letter {
	// What nobody can read was never sent, as far as a walk is concerned: the oldest.
	millis, _ := strconv.ParseInt(m.Attributes[string(sqstypes.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	l := &letter{raw: m, receipt: r, sent: time.UnixMilli(millis)}
	msg := unpack(&m)
	l.DeadLetter = bus.DescribeDead(w.queue, aws.ToString(m.MessageId), msg, l.sent)
	if l.Reason == "" {
		l.Reason = ReasonUndelivered
		if m.Attributes[string(sqstypes.MessageSystemAttributeNameDeadLetterQueueSourceArn)] != "" {
			l.Reason = ReasonCrashLoop
		}
		l.Worker, l.EventID = cmp.Or(l.Worker, w.queue), cmp.Or(l.EventID, msg.UUID)
	}
	return l
}

// each visits the dead letters with the given ids, in their order, or all when there are none given.
func (w *walk) each(ctx context.Context, ids []string, visit func([]*letter) error) error {
	if len(ids) == 0 {
		for batch, err := range w.batches(ctx, everything) {
			if err != nil {
				return err
			}
			if err := visit(batch); err != nil {
				return err
			}
			letGo(batch...)
		}
		return nil
	}
	found, err := w.find(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		l := found[id]
		if l == nil || l.gone {
			return noLetter(w.queue, id)
		}
		if err := visit([]*letter{l}); err != nil {
			return err
		}
	}
	return nil
}

const everything = math.MaxInt

// find looks until it has all ids or has seen everything.
func (w *walk) find(ctx context.Context, ids []string) (map[string]*letter, error) {
	found := map[string]*letter{}
	for batch, err := range w.batches(ctx, everything) {
		if err != nil {
			return nil, err
		}
		for _, l := range batch {
			if slices.Contains(ids, l.ID) {
				found[l.ID] = l
			} else {
				letGo(l)
			}
		}
		if len(found) == len(ids) {
			break
		}
	}
	return found, nil
}

// letGo drops the bodies of letters that stay for their receipts only: a look may pass over thousands of large ones.
func letGo(letters ...*letter) {
	for _, l := range letters {
		l.raw = sqstypes.Message{}
	}
}

// extend keeps hidden what the walk has seen, so that it does not come again.
func (w *walk) extend(ctx context.Context) error {
	now := time.Now()
	var due []*letter
	var changes []change
	for _, l := range w.seen {
		if !l.gone && now.Sub(l.receipt.at) > walkLease/2 {
			due = append(due, l)
			changes = append(changes, hide(l.receipt, walkLease, now))
		}
	}
	for i, err := range settled(w.bus.change(ctx, w.url, changes)) {
		if err != nil {
			return fmt.Errorf("hold dead letters of %s: %w", w.queue, err)
		}
		due[i].receipt.at = now
	}
	return nil
}

// handBack shows again what the walk has seen and not deleted. What fails comes back by itself.
func (w *walk) handBack() {
	ctx, cancel := context.WithTimeout(context.Background(), sqsTimeout)
	defer cancel()
	now := time.Now()
	var changes []change
	for _, l := range w.seen {
		if !l.gone {
			changes = append(changes, hide(l.receipt, 0, now))
		}
	}
	for _, err := range settled(w.bus.change(ctx, w.url, changes)) {
		if err != nil {
			w.bus.log.Warn("dead letter not handed back, it comes back by itself", "queue", w.queue, "error", err)
		}
	}
}
