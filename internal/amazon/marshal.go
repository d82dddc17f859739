package amazon

import (
	"context"
	"fmt"

	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

const (
	// maxMessage is the most that SNS takes in one message and in one batch, in bytes, attributes counted. Messages to
	// queues keep to it too, though SQS takes 1 MiB, because a queue may be set up for less.
	maxMessage = 256 << 10
	// maxQueueBatch is the most that SQS takes in one batch.
	maxQueueBatch = 1 << 20
)

// entry is one message on its way to a topic or a queue: packed for the wire and weighed.
type entry struct {
	ctx   context.Context // of its caller; has a deadline
	wire  *message.Message
	size  int    // in bytes, as AWS counts
	group string // MessageGroupId; may be empty on standard topics and queues
	dedup string // MessageDeduplicationId, FIFO only
}

// encode packs a message for SNS and SQS. A body that is too large goes to the blob store, so this may take a while.
func (b *Bus) encode(ctx context.Context, msg *message.Message, to string) (entry, error) {
	wire, err := bus.PackLarge(ctx, b.cfg.Claims, msg, bus.SQS())
	if err != nil {
		return entry{}, err
	}
	e := entry{ctx: ctx, wire: wire, size: bus.Size(wire)}
	if e.size > maxMessage { // its metadata alone
		return entry{}, messages.Permanent(messages.ReasonRefused, fmt.Errorf("message of %d bytes is too large", e.size))
	}
	if b.cfg.FIFO {
		e.group, e.dedup = laneGroup(msg, to), dedupID(msg.UUID)
	} else {
		e.group = tenantGroup(msg.Payload)
	}
	return e, nil
}

// decode undoes encode for what was received from a queue, whoever sent it. The only error is messages.Unavailable: the
// blob store did not answer.
func (b *Bus) decode(ctx context.Context, received *sqstypes.Message) (*message.Message, error) {
	wire := unpack(received)
	wire.SetContext(ctx)
	msg, err := bus.Redeem(ctx, b.cfg.Claims, wire)
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return msg, nil
}

// unpack is decode that leaves a large body where it is. What is no message of ours is handed on for the router to
// refuse. The UUID is never empty, since it names the message in logs and dead letters.
func unpack(received *sqstypes.Message) *message.Message {
	if uuid, ok := received.MessageAttributes[wmsqs.UUIDAttribute]; ok && uuid.StringValue == nil {
		delete(received.MessageAttributes, wmsqs.UUIDAttribute) // a hostile one: watermill-aws follows the pointer
	}
	wire, err := wmsqs.DefaultMarshalerUnmarshaler{}.Unmarshal(received)
	if err != nil {
		wire = message.NewMessage("", []byte(aws.ToString(received.Body)))
	}
	msg := bus.Unpack(wire)
	if msg.UUID == "" {
		msg.UUID = aws.ToString(received.MessageId)
	}
	return msg
}
