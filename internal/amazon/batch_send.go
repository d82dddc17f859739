package amazon

import (
	"context"
	"strconv"

	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// The SDK's own retries would send a whole batch again; the batcher sends what failed.
func snsOnce(o *sns.Options) { o.Retryer = aws.NopRetryer{} }
func sqsOnce(o *sqs.Options) { o.Retryer = aws.NopRetryer{} }

// toTopic sends batches to a topic.
func (b *Bus) toTopic(arn string) sendFunc {
	return func(ctx context.Context, batch []entry) []error {
		in := &sns.PublishBatchInput{
			TopicArn: &arn, PublishBatchRequestEntries: make([]snstypes.PublishBatchRequestEntry, len(batch)),
		}
		for i, e := range batch {
			m := wmsns.DefaultMarshalerUnmarshaler{}.Marshal(wmsns.TopicArn(arn), e.wire)
			in.PublishBatchRequestEntries[i] = snstypes.PublishBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), Message: m.Message, MessageAttributes: m.MessageAttributes,
				MessageGroupId: optional(&batch[i].group), MessageDeduplicationId: optional(&batch[i].dedup),
			}
		}
		out, err := b.sns.PublishBatch(ctx, in, snsOnce)
		a := newAnswers(len(batch), err)
		if err != nil {
			return a
		}
		for _, ok := range out.Successful {
			a.set(ok.Id, nil)
		}
		for _, bad := range out.Failed {
			a.set(bad.Id, entryError(aws.ToString(bad.Code), bad.SenderFault))
		}
		return a
	}
}

// toQueue sends batches to a queue.
func (b *Bus) toQueue(url string) sendFunc {
	return func(ctx context.Context, batch []entry) []error {
		in := &sqs.SendMessageBatchInput{
			QueueUrl: &url, Entries: make([]sqstypes.SendMessageBatchRequestEntry, len(batch)),
		}
		for i, e := range batch {
			m, err := wmsqs.DefaultMarshalerUnmarshaler{}.Marshal(e.wire)
			if err != nil { // it never does
				return newAnswers(len(batch), err)
			}
			in.Entries[i] = sqstypes.SendMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), MessageBody: m.Body, MessageAttributes: m.MessageAttributes,
				MessageGroupId: optional(&batch[i].group), MessageDeduplicationId: optional(&batch[i].dedup),
			}
		}
		out, err := b.sqs.SendMessageBatch(ctx, in, sqsOnce)
		a := newAnswers(len(batch), err)
		if err != nil {
			return a
		}
		for _, ok := range out.Successful {
			a.set(ok.Id, nil)
		}
		for _, bad := range out.Failed {
			a.set(bad.Id, entryError(aws.ToString(bad.Code), bad.SenderFault))
		}
		return a
	}
}

// answers are what became of each entry of a call.
type answers []error

// newAnswers starts with what the call as a whole says: err, or that no entry was mentioned yet.
func newAnswers(n int, err error) answers {
	each := errUnconfirmed
	if err != nil {
		each = callError(err, n)
	}
	a := make(answers, n)
	for i := range a {
		a[i] = each
	}
	return a
}

func (a answers) set(id *string, err error) {
	if i, bad := strconv.Atoi(aws.ToString(id)); bad == nil && i >= 0 && i < len(a) {
		a[i] = err
	}
}

func optional(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}
