package bus

import (
	"errors"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

// The metadata of a dead letter, beside the type and the lane that every message has. With the id that the transport
// adds these are nine, and SQS takes ten.
const (
	DeadReason   = "reason"    // a word of messages.Reasons
	DeadWorker   = "worker"    // whose queue it comes from
	DeadEventID  = "event_id"  // of the event, or of the bus message when that did not decode
	DeadAttempts = "attempts"  // counted attempts, decimal
	DeadFailedAt = "failed_at" // RFC 3339, UTC
	DeadDetail   = "detail"    // what went wrong, without anything that a person wrote
)

// ErrNoDeadLetter is returned for an id that is not a dead letter of the queue, or no longer.
var ErrNoDeadLetter = errors.New("no such dead letter")

// DeadLetter is what may be shown of a dead letter: nothing that anybody wrote.
type DeadLetter struct {
	ID       string // its name in the broker, never used twice
	Queue    string
	Reason   string
	Worker   string
	EventID  string
	Type     string
	Attempts int
	Detail   string    // what went wrong
	FailedAt time.Time // as the worker said; when it was set aside, if it said nothing readable
	Size     int       // of the body, in bytes
}

// Redrive says which dead letters of a queue to hand to its worker again.
type Redrive struct {
	// IDs are tried one by one, in this order.
	IDs []string
	// Pick chooses among all when there are no IDs; nil takes every one.
	Pick func(DeadLetter) bool
	// PerSecond bounds how fast; see Rate.
	PerSecond float64
}

// Rate is PerSecond, or 100 where that is zero: a redrive of thousands leaves room for new events.
func (r Redrive) Rate() float64 {
	if r.PerSecond == 0 {
		return 100
	}
	return r.PerSecond
}

// DescribeDead reads a dead letter's metadata. The queue has the message under id since setAside.
func DescribeDead(queue, id string, msg *message.Message, setAside time.Time) DeadLetter {
	md := msg.Metadata
	attempts, _ := strconv.Atoi(md.Get(DeadAttempts)) // 0 when the writer said nothing readable
	failedAt, err := messages.ParseTime(md.Get(DeadFailedAt))
	if err != nil {
		failedAt = setAside
	}
	return DeadLetter{
		ID: id, Queue: queue,
		Reason: md.Get(DeadReason), Worker: md.Get(DeadWorker), EventID: md.Get(DeadEventID),
		Type: md.Get(MetadataType), Attempts: attempts, Detail: md.Get(DeadDetail),
		FailedAt: failedAt, Size: len(msg.Payload),
	}
}

// Revive makes the message that a redrive sends: what the event had before it died.
func Revive(letter *message.Message) *message.Message {
	msg := message.NewMessage(letter.UUID, letter.Payload)
	msg.SetContext(letter.Context())
	for k, v := range letter.Metadata {
		switch k {
		case DeadReason, DeadWorker, DeadEventID, DeadAttempts, DeadFailedAt, DeadDetail:
		default:
			msg.Metadata.Set(k, v)
		}
	}
	return msg
}
