package amazon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/internal/lanes"
)

// receipt names one delivery. The handle has some 300 bytes on AWS and cannot be made smaller.
type receipt struct {
	handle string
	at     time.Time // of the receive
}

const (
	// heldMost is when extending ends: a handler that has not returned by then is not expected to.
	heldMost = leaseMost - 30*time.Minute
	// callsMax are the batch calls of one Settle or Extend at once: 1024 receipts at 20 ms a call take 140 ms.
	callsMax = 16
)

// Settle deletes what was handled, and shows again what goes back, after its delay rounded up to a second. A receipt
// that SQS no longer takes answers lanes.ErrGone: the message is deleted, or comes again to somebody.
func (s *Source) Settle(ctx context.Context, batch []lanes.Settlement) []error {
	now := time.Now()
	changes := make([]change, len(batch))
	for i, e := range batch {
		r := e.Receipt.(*receipt)
		changes[i] = change{handle: r.handle}
		if e.Action == lanes.Delay {
			changes[i] = hide(r, e.After, now)
		}
	}
	return s.bus.change(ctx, s.url, changes)
}

// Extend hides what is held for another Visibility from now on. What is held for 11 h 30 min is extended no more: SQS
// ends a lease after 12 h, and then the message comes again.
func (s *Source) Extend(ctx context.Context, batch []lanes.Receipt) []error {
	now := time.Now()
	errs := make([]error, len(batch))
	var changes []change
	var at []int
	for i, r := range batch {
		held := r.(*receipt)
		if now.Sub(held.at) > heldMost {
			errs[i] = lanes.ErrGone
			continue
		}
		changes = append(changes, hide(held, s.visibility, now))
		at = append(at, i)
	}
	if over := len(batch) - len(changes); over > 0 {
		s.log.Warn("messages are held too long to be extended", "messages", over, "longer_than", heldMost)
	}
	for i, err := range s.bus.change(ctx, s.url, changes) {
		errs[at[i]] = err
	}
	return errs
}

// handBackTries are enough for a few entries that fail; what stays comes back by itself.
const handBackTries = 3

// handBack makes messages visible at once. An older lease than the receive granted is over: the message may be
// somebody else's by now, and comes by itself.
func (s *Source) handBack(ctx context.Context, batch []received) error {
	now := time.Now()
	var changes []change
	for _, d := range batch {
		if now.Sub(d.at) < s.visibility {
			changes = append(changes, hide(d.Receipt.(*receipt), 0, now))
		}
	}
	for try := 1; ; try++ {
		var failed []change
		errs := settled(s.bus.change(ctx, s.url, changes))
		for i, err := range errs {
			if err != nil {
				failed = append(failed, changes[i])
			}
		}
		if len(failed) == 0 {
			return nil
		}
		if try == handBackTries || ctx.Err() != nil {
			return errors.Join(errs...)
		}
		changes = failed
	}
}

// change is one entry of a batch call.
type change struct {
	handle string
	hide   bool // else delete
	after  int32
}

// hide makes a message visible after d, if SQS hides it that long.
func hide(r *receipt, d time.Duration, now time.Time) change {
	left := leaseMost - now.Sub(r.at) - time.Second
	return change{handle: r.handle, hide: true, after: roundUp(max(0, min(d, left)))}
}

// roundUp makes seconds: zero means at once, and a short delay is one nevertheless.
func roundUp(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

// change sends the entries in batches of ten, several at once, and returns one error for each.
func (b *Bus) change(ctx context.Context, url string, changes []change) []error {
	errs := make([]error, len(changes))
	var deletes, hides []int
	for i, c := range changes {
		if c.hide {
			hides = append(hides, i)
		} else {
			deletes = append(deletes, i)
		}
	}
	var calls sync.WaitGroup
	slots := make(chan struct{}, callsMax)
	send := func(of []int, call func(context.Context, string, []change) (map[string]error, error)) {
		for ten := range slices.Chunk(of, maxBatch) {
			slots <- struct{}{}
			calls.Go(func() {
				defer func() { <-slots }()
				batch := make([]change, len(ten))
				for i, at := range ten {
					batch[i] = changes[at]
				}
				ctx, cancel := context.WithTimeout(ctx, sqsTimeout)
				defer cancel()
				outcome, err := call(ctx, url, batch)
				for i, at := range ten {
					if errs[at] = err; err == nil {
						errs[at] = outcomeOf(outcome, i)
					}
				}
			})
		}
	}
	send(deletes, b.deleteBatch)
	send(hides, b.hideBatch)
	calls.Wait()
	return errs
}

// settled forgives the entries that SQS no longer has.
func settled(errs []error) []error {
	for i, err := range errs {
		if errors.Is(err, lanes.ErrGone) {
			errs[i] = nil
		}
	}
	return errs
}

var errUnanswered = errors.New("SQS did not answer for the entry")

func outcomeOf(outcome map[string]error, i int) error {
	err, ok := outcome[strconv.Itoa(i)]
	if !ok {
		return errUnanswered
	}
	return err
}

func (b *Bus) deleteBatch(ctx context.Context, url string, batch []change) (map[string]error, error) {
	entries := make([]sqstypes.DeleteMessageBatchRequestEntry, len(batch))
	for i, c := range batch {
		entries[i] = sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(c.handle)}
	}
	out, err := b.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("delete messages: %w", err)
	}
	outcome := failures(out.Failed)
	for _, e := range out.Successful {
		outcome[aws.ToString(e.Id)] = nil
	}
	return outcome, nil
}

func (b *Bus) hideBatch(ctx context.Context, url string, batch []change) (map[string]error, error) {
	entries := make([]sqstypes.ChangeMessageVisibilityBatchRequestEntry, len(batch))
	for i, c := range batch {
		entries[i] = sqstypes.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(c.handle), VisibilityTimeout: c.after,
		}
	}
	out, err := b.sqs.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("change visibility: %w", err)
	}
	outcome := failures(out.Failed)
	for _, e := range out.Successful {
		outcome[aws.ToString(e.Id)] = nil
	}
	return outcome, nil
}

// failures reads the entries that a batch call refused. The codes that say "no such delivery" are those of
// DeleteMessage and ChangeMessageVisibility in the SQS API reference; InvalidParameterValue is what FIFO queues answer
// for an expired receipt. Their messages quote the receipt and are left out.
func failures(failed []sqstypes.BatchResultErrorEntry) map[string]error {
	outcome := map[string]error{}
	for _, f := range failed {
		err := fmt.Errorf("SQS refuses the entry: %s", aws.ToString(f.Code))
		switch aws.ToString(f.Code) {
		case "ReceiptHandleIsInvalid", "InvalidParameterValue", "InvalidParameterValueException", "InvalidIdFormat",
			"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight":
			err = lanes.ErrGone
		}
		outcome[aws.ToString(f.Id)] = err
	}
	return outcome
}
