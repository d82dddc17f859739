package amazon

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
)

// group is the message group of a lane or a tenant: a hash, because group IDs take no arbitrary characters, show up in
// AWS's own logs and may have 128 characters at most.
func group(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:16])
}

// laneGroup is the group of a FIFO message: its conversation, else where it goes, which is then one lane.
func laneGroup(msg *message.Message, to string) string {
	if lane := msg.Metadata.Get(bus.MetadataLane); lane != "" {
		return group(lane)
	}
	return group(to)
}

// sourceWithin is where the source of one of our envelopes ends at the latest, in bytes: it comes after specversion
// and id.
const sourceWithin = 1024

// tenantGroup is the group of a message on standard topics and queues, for fair queueing among organisations: the second
// part of the CloudEvents source, /channel/organisation/livechat. It is looked for without parsing the body, and empty
// for what is none of our envelopes: such messages are in nobody's group.
func tenantGroup(payload []byte) string {
	const name = `"source":"/`
	head := payload[:min(len(payload), sourceWithin)]
	at := bytes.Index(head, []byte(name))
	if at < 0 {
		return ""
	}
	source, _, found := bytes.Cut(head[at+len(name):], []byte(`"`))
	if !found {
		return ""
	}
	_, rest, _ := bytes.Cut(source, []byte("/"))
	org, _, _ := bytes.Cut(rest, []byte("/"))
	if len(org) == 0 {
		return ""
	}
	return group(string(org))
}

// maxDedup is the limit of a deduplication ID, in characters.
const maxDedup = 128

// dedupID is the deduplication ID of a UUID: itself where SQS takes it, else its hash.
func dedupID(uuid string) string {
	for _, c := range []byte(uuid) {
		if c <= ' ' || c > '~' {
			return group(uuid)
		}
	}
	if uuid == "" || len(uuid) > maxDedup {
		return group(uuid)
	}
	return uuid
}
