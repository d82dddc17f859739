package lanes

import (
	"context"
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// ErrGone is what a Source answers for a delivery that its queue no longer has. The engine takes it as settled.
var ErrGone = errors.New("the queue no longer has the message")

// Source is one queue as the engine sees it: a JetStream durable consumer, an SQS queue, a Lambda batch.
// There is one Fetch, one Settle and one Extend at a time, all three side by side; each call is one batch. A Source
// that is also an io.Closer is closed when its subscription has ended.
type Source interface {
	// Fetch waits until there is at least one delivery or ctx ends, and returns at most limit of them in the
	// queue's order. On an error the engine waits with a growing, jittered delay and calls again; once the queue answers
	// after an error, Fetch returns even without a delivery, so that the engine learns it. What it returns after ctx ended
	// goes back at once, if it returns before the stop is over.
	Fetch(ctx context.Context, limit int) ([]Delivery, error)
	// Settle ends leases. It returns one error per entry, nil for those that took effect, or a slice of
	// length zero when all did. A failed entry is settled again.
	Settle(ctx context.Context, batch []Settlement) []error
	// Extend renews the leases of what still runs or waits. A failed entry is extended again at the next turn.
	Extend(ctx context.Context, batch []Receipt) []error
}

// Rereader is a Source whose queue keeps a body until it is acknowledged, so that the engine may drop the bodies
// of a lane that has to wait and read them again when its turn comes.
type Rereader interface {
	// Reread returns a new message with the body, or an error that is ErrGone when there is nothing left to
	// handle. After any other error it is called again with a growing, jittered delay. Several calls run at once.
	Reread(ctx context.Context, receipt Receipt) (*message.Message, error)
}

// Receipt names one delivery to its source. It is opaque to the engine and small: a waiting lane holds many.
type Receipt any

// Delivery is one received message with its lease.
type Delivery struct {
	Message *message.Message
	Receipt Receipt
	Key     string // lane: one delivery of a key is handled at a time
	Size    int    // bytes held in memory by the message
	// ID names the message across redeliveries, so that its attempts are counted although it does not stay here. Required
	// where failed messages go back: from Unordered and Invocation sources, and those with KeysLock. Without it each
	// delivery is the first attempt.
	ID string
	// Received is how often the broker has delivered the message, this time included; 0 if it does not say. It makes
	// delays grow and is never taken for attempts: hand-backs and outages raise it too.
	Received int
}

// Action is what happens to a delivery when its lease ends.
type Action int

// The actions of a settlement.
const (
	Ack   Action = iota // handled; the queue forgets it
	Delay               // handed back; visible again after Settlement.After (zero: at once)
)

// Settlement ends one lease.
type Settlement struct {
	Receipt Receipt
	Action  Action
	After   time.Duration
}
