package bus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/messages"
)

// Claims keeps bodies that are too large for a broker, under keys that start with claims/. What was put is durable when
// Put returns; putting again renews its age. Get answers nil and no error when nothing stands under the key, and reads
// no more than MaxClaim bytes and one.
type Claims interface {
	Put(ctx context.Context, key string, body []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
}

const (
	// ClaimAbove is the wire size in bytes above which a body goes to Claims. SNS takes 256 KiB for a message and for a
	// whole batch, attributes counted, and does not say what else it counts; a fifth of it is left for that.
	ClaimAbove = 200 << 10
	// MaxClaim is the largest body in bytes that Claims is asked to keep: what comes in by HTTP is far smaller, and a
	// worker holds it in memory.
	MaxClaim = 16 << 20
)

const (
	claimPrefix  = "claims/"
	digestPrefix = "sha-256:"
	// claimType is the type of an envelope that stands for a body which is none of our envelopes.
	claimType messages.Type = "livepipe.claim.v1"
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

// split divides a payload into the envelope that travels and the bytes that are stored. One of our envelopes keeps its
// attributes and stores its data. Any other payload, and an envelope that would not come back byte for byte, is stored
// whole.
func split(payload []byte) (body, stored []byte, err error) {
	env, err := messages.ParseEnvelope(payload)
	if err == nil && env.DataRef == "" && env.DataDigest == "" && env.Type != claimType {
		data := env.Data
		env.Data, env.DataRef, env.DataDigest = nil, claimKey(data), digestPrefix+hexDigest(data)
		if body, err = env.Bytes(); err == nil {
			if again, err := join(body, data); err == nil && bytes.Equal(again, payload) {
				return body, data, nil
			}
		}
	}
	digest := hexDigest(payload)
	body, err = json.Marshal(rawClaim{
		SpecVersion: "1.0", ID: digest, Source: "/livepipe", Type: claimType, ContentType: "application/octet-stream",
		DataRef: claimPrefix + digest, DataDigest: digestPrefix + digest,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encode claim: %w", err)
	}
	return body, payload, nil
}

// rawClaim is the envelope of a body that is none of ours. It has no time: the same body makes the same claim.
type rawClaim struct {
	SpecVersion string        `json:"specversion"`
	ID          string        `json:"id"`
	Source      string        `json:"source"`
	Type        messages.Type `json:"type"`
	ContentType string        `json:"datacontenttype"`
	DataRef     string        `json:"dataref"`
	DataDigest  string        `json:"datadigest"`
}

// join undoes split.
func join(body, stored []byte) ([]byte, error) {
	env, err := messages.ParseEnvelope(body)
	if err != nil {
		return nil, err
	}
	if env.Type == claimType {
		return stored, nil
	}
	env.Data, env.DataRef, env.DataDigest = stored, "", ""
	return env.Bytes()
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

// claimKey is where a body is stored: its content names it, so that a retry writes the same blob again, and that a
// forged message can ask for nothing but claims whose content it knows.
func claimKey(stored []byte) string { return claimPrefix + hexDigest(stored) }

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// isClaim reports whether the envelope is one that split could have made. Nothing else is ever looked up.
func isClaim(env messages.Envelope) bool {
	digest, ok := strings.CutPrefix(env.DataRef, claimPrefix)
	if !ok || len(env.Data) > 0 || env.DataDigest != digestPrefix+digest || len(digest) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(digest) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// unresolved is the error of an envelope whose data is elsewhere; nil when it has its data, or needs none.
func unresolved(env messages.Envelope) error {
	switch {
	case env.DataRef == "" || len(env.Data) > 0:
		return nil
	case isClaim(env):
		return messages.Permanent(messages.ReasonExpired, errors.New("the claimed body is gone"))
	default:
		return messages.Permanent(messages.ReasonUndecodable, errors.New("the claim is none of ours"))
	}
}
