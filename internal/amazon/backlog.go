package amazon

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Backlog asks how many events of a queue are not handled yet: visible, hidden because somebody holds them, and waiting
// for their delay. SQS counts approximately, and does not say how old the oldest is.
func (b *Bus) Backlog(ctx context.Context, queue string) (int64, error) {
	url, err := b.queueURL(ctx, b.names.queue(queue))
	if err != nil {
		return 0, fmt.Errorf("look at backlog: %w", err)
	}
	counts := []sqstypes.QueueAttributeName{
		sqstypes.QueueAttributeNameApproximateNumberOfMessages,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	got, err := b.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: counts})
	if err != nil {
		return 0, fmt.Errorf("look at backlog of %s: %w", queue, err)
	}
	var events int64
	for _, name := range counts {
		n, err := strconv.ParseInt(got.Attributes[string(name)], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("look at backlog of %s: read %s: %w", queue, name, err)
		}
		events += n
	}
	return events, nil
}

// VisibilityTimeout is how long a queue hides an event from others when whoever receives it says nothing else, as AWS
// Lambda does.
func (b *Bus) VisibilityTimeout(ctx context.Context, queue string) (time.Duration, error) {
	const name = sqstypes.QueueAttributeNameVisibilityTimeout
	url, err := b.queueURL(ctx, b.names.queue(queue))
	if err != nil {
		return 0, fmt.Errorf("look at visibility timeout: %w", err)
	}
	got, err := b.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{name},
	})
	if err != nil {
		return 0, fmt.Errorf("look at visibility timeout of %s: %w", queue, err)
	}
	seconds, err := strconv.Atoi(got.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("look at visibility timeout of %s: %w", queue, err)
	}
	return time.Duration(seconds) * time.Second, nil
}
