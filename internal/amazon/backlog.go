package amazon

import (
	"context"
	"fmt"
	"strconv"

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
