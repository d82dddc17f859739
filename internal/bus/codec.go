// Package bus turns envelopes into Watermill messages and back. It is the one codec for every broker: a handler sees the
// same message whichever bus carried it.
package bus

import (
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// The metadata of a message. There are never more than three keys: SNS raw delivery drops a message with more than ten
// attributes, and foreign ones must still fit beside ours.
const (
	// MetadataType is the event type, so that operators and filters need not parse the body.
	MetadataType = "type"
	// MetadataLane is the partition key, so that a source need not parse the body.
	MetadataLane = "lane"
)

// Marshal makes the bus message of an envelope. Its UUID is the event ID.
func Marshal(env messages.Envelope) (*message.Message, error) {
	body, err := env.Bytes()
	if err != nil {
		return nil, err
	}
	msg := message.NewMessage(env.ID, body)
	msg.Metadata.Set(MetadataType, string(env.Type))
	msg.Metadata.Set(MetadataLane, env.PartitionKey)
	return msg, nil
}

// Unmarshal reads the envelope of a bus message. Any error is permanent.
func Unmarshal(msg *message.Message) (messages.Envelope, error) {
	env, err := messages.ParseEnvelope(msg.Payload)
	if err != nil {
		return messages.Envelope{}, fmt.Errorf("read message: %w", err)
	}
	if err := unresolved(env); err != nil {
		return messages.Envelope{}, fmt.Errorf("read message: %w", err)
	}
	return env, nil
}
