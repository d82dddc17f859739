package bus

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
)

// UUIDKey is the attribute or header that Watermill's marshalers put the UUID into, for SQS and NATS alike.
const UUIDKey = "_watermill_message_uuid"

// wrapper is the one attribute of a wrapped message, in printable ASCII: UUID, metadata and how the body is written,
// as a URL query.
const (
	wrapper     = "Livepipe-Metadata"
	wrappedKey  = "m:"   // before each metadata key, so that none can be taken for one of the other two
	wrappedBody = "body" // absent: as it is
	inBase64    = "base64"
	inNothing   = "empty" // there is none; placeholder takes its place
	placeholder = "-"
	// noUUID takes the place of a UUID that cannot be sent.
	noUUID = "wrapped"
)

// Pack makes the message that a broker carries with nothing lost: itself when it fits, else one that holds UUID and
// metadata in a single attribute. The body stays as it is where the broker takes it. Unpack undoes it.
func Pack(msg *message.Message, limits Limits) *message.Message {
	body := limits.body(msg.Payload)
	uuid := limits.attribute(UUIDKey, msg.UUID)
	if body && uuid && limits.metadata(msg.Metadata) {
		return msg
	}
	values := url.Values{UUIDKey: {msg.UUID}}
	for k, v := range msg.Metadata {
		values.Set(wrappedKey+k, v)
	}
	wire := message.NewMessage(msg.UUID, msg.Payload)
	wire.SetContext(msg.Context())
	if !uuid {
		wire.UUID = noUUID
	}
	switch {
	case body:
	case len(msg.Payload) == 0:
		wire.Payload = message.Payload(placeholder)
		values.Set(wrappedBody, inNothing)
	default:
		wire.Payload = base64.StdEncoding.AppendEncode(nil, msg.Payload)
		values.Set(wrappedBody, inBase64)
	}
	wire.Metadata.Set(wrapper, values.Encode())
	return wire
}

// metadata reports whether all of it goes as it is. A foreign key with one of our names does not: it would be taken for
// ours at the other end.
func (l Limits) metadata(md message.Metadata) bool {
	if l.attributes > 0 && len(md) > l.attributes {
		return false
	}
	for k, v := range md {
		if k == UUIDKey || k == wrapper || !l.attribute(k, v) {
			return false
		}
	}
	return true
}

// Unpack undoes Pack. What carries our attribute and was not packed by us, by accident or ill will, is handed on as it
// came, for the router to refuse.
func Unpack(wire *message.Message) *message.Message {
	wrapped, ok := wire.Metadata[wrapper]
	if !ok {
		return wire
	}
	values, err := url.ParseQuery(wrapped)
	if err != nil || len(values[UUIDKey]) != 1 {
		return wire
	}
	body := wire.Payload
	switch values.Get(wrappedBody) {
	case "":
	case inNothing:
		body = nil
	case inBase64:
		if body, err = base64.StdEncoding.AppendDecode(nil, wire.Payload); err != nil {
			return wire
		}
	default:
		return wire
	}
	msg := message.NewMessage(values.Get(UUIDKey), body)
	msg.SetContext(wire.Context())
	for k := range values {
		if name, ok := strings.CutPrefix(k, wrappedKey); ok {
			msg.Metadata.Set(name, values.Get(k))
		}
	}
	return msg
}
