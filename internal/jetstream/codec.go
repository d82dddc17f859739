package jetstream

import (
	"fmt"
	"net/url"
	"strings"

	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

// wrappedHeader carries the UUID and metadata that do not survive as NATS headers: header values lose line breaks and
// outer spaces, keys may not be empty, and a key that starts with Nats- is an order to the server.
const wrappedHeader = "Livepipe-Metadata"

var marshaler wmnats.NATSMarshaler

func encode(subject string, msg *message.Message) (*nats.Msg, error) {
	if !survives(wmnats.WatermillUUIDHdr, msg.UUID) || !allSurvive(msg.Metadata) {
		wrapped := url.Values{wmnats.WatermillUUIDHdr: {msg.UUID}}
		for k, v := range msg.Metadata {
			wrapped.Set("m:"+k, v)
		}
		return &nats.Msg{
			Subject: subject, Data: msg.Payload,
			Header: nats.Header{wrappedHeader: {wrapped.Encode()}},
		}, nil
	}
	m, err := marshaler.Marshal(subject, msg)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return m, nil
}

// decode never fails: what is no message of ours is handed on with its raw payload, for the router to refuse it. The
// UUID is never empty, since it names the message in logs and dead letters.
func decode(m *nats.Msg, seq uint64) *message.Message {
	msg, err := decodeOurs(m)
	if err != nil {
		msg = message.NewMessage("", m.Data)
	}
	if msg.UUID == "" {
		msg.UUID = fmt.Sprintf("seq-%d", seq)
	}
	return msg
}

func decodeOurs(m *nats.Msg) (*message.Message, error) {
	if wrapped := m.Header.Get(wrappedHeader); wrapped != "" {
		values, err := url.ParseQuery(wrapped)
		if err != nil {
			return nil, fmt.Errorf("decode metadata: %w", err)
		}
		msg := message.NewMessage(values.Get(wmnats.WatermillUUIDHdr), m.Data)
		for k := range values {
			if name, ok := strings.CutPrefix(k, "m:"); ok {
				msg.Metadata.Set(name, values.Get(k))
			}
		}
		return msg, nil
	}
	ours := nats.Header{}
	for k, v := range m.Header {
		if !forServer(k) { // the pin and what the server adds when a body is read again
			ours[k] = v
		}
	}
	msg, err := marshaler.Unmarshal(&nats.Msg{Data: m.Data, Header: ours})
	if err != nil {
		return nil, fmt.Errorf("decode message: %w", err)
	}
	return msg, nil
}

func allSurvive(md message.Metadata) bool {
	for k, v := range md {
		if k == wmnats.WatermillUUIDHdr || k == wrappedHeader || forServer(k) || !survives(k, v) {
			return false
		}
	}
	return true
}

func forServer(key string) bool {
	return len(key) >= 5 && strings.EqualFold(key[:5], "Nats-")
}

// survives reports whether a header comes back as it was: the key from letters, digits, - and _, the value from
// printable ASCII without spaces at its ends (ADR-4 of the NATS architecture).
func survives(key, value string) bool {
	for _, c := range []byte(key) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return key != "" && strings.TrimSpace(value) == value
}
