package bus_test

import (
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
)

func brokers() map[string]bus.Limits {
	return map[string]bus.Limits{"NATS": bus.NATS(), "SQS": bus.SQS()}
}

func newMessage(uuid string, md message.Metadata, body string) *message.Message {
	msg := message.NewMessage(uuid, []byte(body))
	maps.Copy(msg.Metadata, md)
	return msg
}

func manyKeys(n int) message.Metadata {
	md := message.Metadata{}
	for i := range n {
		md.Set("key"+strconv.Itoa(i), "value")
	}
	return md
}

// oddMessages is row F21 of the promises: what brokers refuse, cut short or take for an order.
func oddMessages() map[string]*message.Message {
	const ordinary, body = "evt_1", `{"specversion":"1.0"}`
	return map[string]*message.Message{
		"more than ten keys":         newMessage(ordinary, manyKeys(11), body),
		"more keys than we use":      newMessage(ordinary, manyKeys(3), body),
		"empty value":                newMessage(ordinary, message.Metadata{"k": ""}, body),
		"empty key":                  newMessage(ordinary, message.Metadata{"": "v"}, body),
		"AWS. prefix":                newMessage(ordinary, message.Metadata{"AWS.Trace": "v", "aws.trace": "w"}, body),
		"Amazon. prefix":             newMessage(ordinary, message.Metadata{"aMAZON.x": "v"}, body),
		"Nats- prefix":               newMessage(ordinary, message.Metadata{"nats-Rollup": "all"}, body),
		"watermill-aws's own keys":   newMessage(ordinary, message.Metadata{"MessageGroupId": "g", "MessageDeduplicationId": "d"}, body),
		"300-character key":          newMessage(ordinary, message.Metadata{strings.Repeat("k", 300): "v"}, body),
		"256-character key":          newMessage(ordinary, message.Metadata{strings.Repeat("k", 256): "v"}, body),
		"dots":                       newMessage(ordinary, message.Metadata{".a": "1", "b.": "2"}, body),
		"two dots in a row":          newMessage(ordinary, message.Metadata{"a..b": "1"}, body),
		"a key in other letters":     newMessage(ordinary, message.Metadata{"schlüssel: \x00": "v"}, body),
		"a value in other letters":   newMessage(ordinary, message.Metadata{"k": "größe 😀"}, body),
		"a value that is not UTF-8":  newMessage(ordinary, message.Metadata{"k": "\xff\xfe"}, body),
		"a value with line breaks":   newMessage(ordinary, message.Metadata{"k": "a\r\nNats-Rollup: all"}, body),
		"a value with outer spaces":  newMessage(ordinary, message.Metadata{"k": " v "}, body),
		"a value with NUL":           newMessage(ordinary, message.Metadata{"k": "a\x00b"}, body),
		"our attribute's name":       newMessage(ordinary, message.Metadata{"Livepipe-Metadata": "x"}, body),
		"our attribute's look":       newMessage(ordinary, message.Metadata{"Livepipe-Metadata": "_watermill_message_uuid=y&m%3Aa=b"}, body),
		"Watermill's attribute":      newMessage(ordinary, message.Metadata{bus.UUIDKey: "another"}, body),
		"names inside the wrapper":   newMessage(ordinary, message.Metadata{"body": "base64", "m:x": "y", "": "z"}, body),
		"empty UUID":                 newMessage("", nil, body),
		"UUID with control bytes":    newMessage("a\x01\xff", nil, body),
		"body that is not UTF-8":     newMessage(ordinary, nil, "\xff\x00\x80"),
		"body with a cut rune":       newMessage(ordinary, nil, "caf\xc3"),
		"body with a surrogate":      newMessage(ordinary, nil, "\xed\xa0\x80"),
		"body with U+FFFE":           newMessage(ordinary, nil, "a\uFFFEb"),
		"body with U+FFFF":           newMessage(ordinary, nil, "a\uFFFFb"),
		"body with control bytes":    newMessage(ordinary, nil, "a\x01\x1f\x0bb"),
		"body with NUL":              newMessage(ordinary, nil, "\x00"),
		"empty body":                 newMessage(ordinary, nil, ""),
		"body that looks like none":  newMessage(ordinary, message.Metadata{"k": ""}, "-"),
		"everything at once":         newMessage("\x00", manyKeys(20), "\xff"),
		"white space only":           newMessage(ordinary, nil, "\t\r\n "),
		"body with U+FFFD and U+7F":  newMessage(ordinary, nil, "\uFFFD\x7f\u0085"),
		"body at the top of Unicode": newMessage(ordinary, nil, "\U0010FFFF"),
	}
}

// F21: byte for byte through every bus.
func TestF21OddMessagesComeBackByteForByte(t *testing.T) {
	for broker, limits := range brokers() {
		for name, msg := range oddMessages() {
			t.Run(broker+"/"+name, func(t *testing.T) {
				wire := bus.Pack(msg, limits)
				mustFit(t, broker, wire)
				mustEqual(t, msg, bus.Unpack(wire))
			})
		}
	}
}

// What fits is not touched, so that stock Watermill reads it.
func TestOrdinaryMessagesAreNotWrapped(t *testing.T) {
	msg := newMessage("evt_1", message.Metadata{bus.MetadataType: "livechat.message.received.v1", bus.MetadataLane: "abc"},
		`{"text":"größe 😀 <b>"}`)
	for broker, limits := range brokers() {
		if wire := bus.Pack(msg, limits); wire != msg {
			t.Errorf("%s: wrapped as %v", broker, wire.Metadata)
		}
	}
}

// A body is rewritten only where the broker would refuse it: other languages' readers can then still read it.
func TestBodyStaysReadableWhereTheBrokerTakesIt(t *testing.T) {
	msg := newMessage("evt_1", manyKeys(20), `{"text":"größe"}`)
	for broker, limits := range brokers() {
		if wire := bus.Pack(msg, limits); string(wire.Payload) != string(msg.Payload) {
			t.Errorf("%s: body became %q", broker, wire.Payload)
		}
	}
}

// Someone else's attribute under our name is no reason to lose a message: the router decides about it.
func TestS17ForgedWrapperIsHandedOnAsItCame(t *testing.T) {
	for _, wrapped := range []string{
		"", "x", "%zz", "a=%", "m%3Ak=v", "_watermill_message_uuid=a&_watermill_message_uuid=b",
		"_watermill_message_uuid=a&body=base64", "_watermill_message_uuid=a&body=gzip", "a;b", "\x00", "\xff",
	} {
		wire := newMessage("seen", message.Metadata{"Livepipe-Metadata": wrapped}, "not base64!")
		mustEqual(t, wire, bus.Unpack(wire))
	}
}

func FuzzPack(f *testing.F) {
	for _, msg := range oddMessages() {
		keys := make([]string, 0, 6)
		for k, v := range msg.Metadata {
			keys = append(keys, k, v)
		}
		keys = append(keys, make([]string, 6)...)
		f.Add(msg.UUID, []byte(msg.Payload), keys[0], keys[1], keys[2], keys[3], keys[4], keys[5])
	}
	f.Fuzz(func(t *testing.T, uuid string, body []byte, k1, v1, k2, v2, k3, v3 string) {
		msg := newMessage(uuid, message.Metadata{k1: v1, k2: v2, k3: v3}, string(body))
		for broker, limits := range brokers() {
			wire := bus.Pack(msg, limits)
			mustFit(t, broker, wire)
			mustEqual(t, msg, bus.Unpack(wire))
		}
	})
}

// Whatever somebody sends under our name, reading it never panics, and what was read survives the next trip.
func FuzzUnpack(f *testing.F) {
	f.Add("_watermill_message_uuid=evt_1&m%3Ak=v", []byte("{}"))
	f.Add("_watermill_message_uuid=&body=base64", []byte("/wCA"))
	f.Add("_watermill_message_uuid=a&body=empty", []byte("-"))
	f.Add("%zz", []byte("\xff"))
	f.Fuzz(func(t *testing.T, wrapped string, body []byte) {
		msg := bus.Unpack(newMessage("wire", message.Metadata{"Livepipe-Metadata": wrapped}, string(body)))
		for broker, limits := range brokers() {
			wire := bus.Pack(msg, limits)
			mustFit(t, broker, wire)
			mustEqual(t, msg, bus.Unpack(wire))
		}
	})
}

var (
	// "Amazon SQS message attributes" and SendMessage in the SQS API reference.
	sqsName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	sqsText = regexp.MustCompile("^[\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]+$")
	awsName = regexp.MustCompile(`(?i)^(aws|amazon)\.`)
	// ADR-4 of the NATS architecture.
	natsName  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	natsValue = regexp.MustCompile(`^([!-~]([ -~]*[!-~])?)?$`)
	natsOrder = regexp.MustCompile(`(?i)^nats-`)
)

// mustFit asks the brokers' own words, not the code under test.
func mustFit(t *testing.T, broker string, wire *message.Message) {
	t.Helper()
	attributes := maps.Clone(wire.Metadata)
	if _, twice := attributes[bus.UUIDKey]; twice {
		t.Errorf("metadata under the name of the UUID: %q", attributes)
	}
	attributes[bus.UUIDKey] = wire.UUID
	for k, v := range attributes {
		switch {
		case broker == "NATS" && natsName.MatchString(k) && !natsOrder.MatchString(k) && natsValue.MatchString(v):
		case broker == "SQS" && k != "MessageGroupId" && k != "MessageDeduplicationId" && len(k) < 256 && sqsName.MatchString(k) && !awsName.MatchString(k) &&
			utf8.ValidString(v) && sqsText.MatchString(v):
		default:
			t.Errorf("%s takes no attribute %q: %q", broker, k, v)
		}
	}
	if broker == "SQS" && (!utf8.Valid(wire.Payload) || !sqsText.Match(wire.Payload)) {
		t.Errorf("SQS takes no body %q", wire.Payload)
	}
	if broker == "SQS" && strings.TrimSpace(string(wire.Payload)) == "" {
		t.Errorf("SNS takes %q for an empty body", wire.Payload)
	}
	if broker == "SQS" && len(attributes) > 3 {
		t.Errorf("%d attributes, at most three were promised", len(attributes))
	}
}

func mustEqual(t *testing.T, want, got *message.Message) {
	t.Helper()
	if !got.Equals(want) {
		t.Errorf("changed on the way:\n sent %q %q %q\n got  %q %q %q",
			want.UUID, want.Metadata, want.Payload, got.UUID, got.Metadata, got.Payload)
	}
}
