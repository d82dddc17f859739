package amazon

import (
	"context"

	"github.com/ThreeDotsLabs/watermill/message"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// SendToQueue is how dead letters and redrives go.
func (b *Bus) SendToQueue(queue string, msgs ...*message.Message) error {
	return b.sendToQueue(b.names.queue(queue), msgs...)
}

// Decode reads what was received.
func (b *Bus) Decode(ctx context.Context, m *sqstypes.Message) (*message.Message, error) {
	return b.decode(ctx, m)
}
