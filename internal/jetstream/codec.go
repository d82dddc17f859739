package jetstream

import (
	"fmt"
	"strings"

	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/livepipe/livepipe/internal/bus"
)

var marshaler wmnats.NATSMarshaler

func encode(subject string, msg *message.Message) (*nats.Msg, error) {
	m, err := marshaler.Marshal(subject, bus.Pack(msg, bus.NATS()))
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return m, nil
}

// decode never fails: what is no message of ours is handed on with its raw payload, for the router to refuse it. The
// UUID is never empty, since it names the message in logs and dead letters.
func decode(m *nats.Msg, seq uint64) *message.Message {
	ours := nats.Header{}
	for k, v := range m.Header {
		if !forServer(k) { // the pin and what the server adds when a body is read again
			ours[k] = v
		}
	}
	msg, err := marshaler.Unmarshal(&nats.Msg{Data: m.Data, Header: ours})
	if err != nil {
		msg = message.NewMessage("", m.Data)
	}
	msg = bus.Unpack(msg)
	if msg.UUID == "" {
		msg.UUID = fmt.Sprintf("seq-%d", seq)
	}
	return msg
}

func forServer(key string) bool {
	return len(key) >= 5 && strings.EqualFold(key[:5], "Nats-")
}
