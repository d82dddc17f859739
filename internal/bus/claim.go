package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// Claims keeps bodies that are too large for a broker, under keys that start with claims/. What was put is durable when
// Put returns; putting again renews its age. Get answers nil and no error when there is no such key, and a
// messages.PermanentError when what is there cannot be a claim; it never reads more than MaxClaim bytes.
type Claims interface {
	Put(ctx context.Context, key string, body []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
}

const (
	// ClaimAbove is the wire size in bytes above which a body goes to Claims. SNS takes 256 KiB for a message and for a
	// whole batch, attributes counted, and does not say what else it counts; a fifth of it is left for that.
	ClaimAbove = 200 << 10
	// MaxClaim is the largest body in bytes that Claims is asked to keep: four times what comes in by HTTP at most. A
	// worker holds it in memory.
	MaxClaim = 4 << 20
)

// Size is what a message weighs on SNS and SQS, in bytes: the body, and name, type and value of each attribute.
func Size(wire *message.Message) int {
	const dataType = len("String")
	size := len(wire.Payload) + len(UUIDKey) + dataType + len(wire.UUID)
	for k, v := range wire.Metadata {
		size += len(k) + dataType + len(v)
	}
	return size
}

// PackLarge is Pack for a broker that takes 256 KiB at most. The body of a larger message goes to claims, and a
// CloudEvents envelope with its dataref goes instead. An outage of claims is messages.Unavailable; what is larger than
// MaxClaim is refused for good.
func PackLarge(ctx context.Context, claims Claims, msg *message.Message, limits Limits) (*message.Message, error) {
	wire := Pack(msg, limits)
	if Size(wire) <= ClaimAbove {
		return wire, nil
	}
	if claims == nil || len(msg.Payload) > MaxClaim {
		return nil, messages.Permanent(messages.ReasonRefused, fmt.Errorf("message of %d bytes is too large", len(msg.Payload)))
	}
	body, stored, err := split(msg.Payload)
	if err != nil {
		return nil, err
	}
	if err := claims.Put(ctx, claimKey(stored), stored); err != nil {
		return nil, messages.Unavailable(fmt.Errorf("store large body: %w", err))
	}
	stub := message.NewMessage(msg.UUID, body)
	stub.Metadata = msg.Metadata
	stub.SetContext(msg.Context())
	return Pack(stub, limits), nil
}

// Redeem puts the body back that PackLarge took away. What cannot be redeemed, because the claim has expired or was
// forged, is handed on as it came, and Unmarshal says which of the two. The only error is messages.Unavailable.
func Redeem(ctx context.Context, claims Claims, msg *message.Message) (*message.Message, error) {
	if claims == nil || !bytes.Contains(msg.Payload, []byte(`"dataref":"`+claimPrefix)) {
		return msg, nil
	}
	env, err := messages.ParseEnvelope(msg.Payload)
	if err != nil || !isClaim(env) {
		return msg, nil
	}
	stored, err := claims.Get(ctx, env.DataRef)
	var final *messages.PermanentError
	if errors.As(err, &final) {
		return msg, nil
	}
	if err != nil {
		return nil, messages.Unavailable(fmt.Errorf("fetch large body: %w", err))
	}
	if stored == nil || len(stored) > MaxClaim || claimKey(stored) != env.DataRef {
		return msg, nil
	}
	body, err := join(msg.Payload, stored)
	if err != nil {
		return msg, nil
	}
	whole := message.NewMessage(msg.UUID, body)
	whole.Metadata = msg.Metadata
	whole.SetContext(msg.Context())
	return whole, nil
}
