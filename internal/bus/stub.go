package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/messages"
)

const (
	claimPrefix  = "claims/"
	digestPrefix = "sha-256:"
	// claimType is the type of an envelope in place of a body that is none of our envelopes.
	claimType messages.Type = "livepipe.claim.v1"
)

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
		return messages.PermanentBecause(messages.ReasonExpired, "the claimed body is gone")
	default:
		return messages.PermanentBecause(messages.ReasonUndecodable, "the claim is none of ours")
	}
}
