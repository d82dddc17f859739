package lanes

import (
	"testing"
	"testing/synctest"
	"time"
)

// kind is one kind of queue that the engine serves.
type kind struct {
	name        string
	order       Order
	sorted      bool // first successes of a key come in order
	shelf       func() shelf
	bare        bool // bodies can be read again
	locks       bool // nothing of a key is delivered while something of it is hidden
	takeover    bool // opening it fences the former owner
	invocations bool // deliveries come in batches, the next after all of one is settled
}

// The kinds: a JetStream durable, the same if it could not be read again, the two sorts of SQS queues, and a Lambda
// function behind each of these.
var (
	stream         = kind{name: "stream", sorted: true, shelf: newSeqShelf, bare: true, takeover: true}
	plainStream    = kind{name: "stream without rereading", sorted: true, shelf: newSeqShelf, takeover: true}
	fifo           = kind{name: "FIFO queue", sorted: true, shelf: newGroupShelf, locks: true}
	standard       = kind{name: "standard queue", order: Unordered, shelf: newRandomShelf}
	lambdaFIFO     = kind{name: "Lambda on a FIFO queue", order: Invocation, sorted: true, shelf: newGroupShelf, locks: true, invocations: true}
	lambdaStandard = kind{name: "Lambda on a standard queue", order: Invocation, shelf: newRandomShelf, invocations: true}
)

// subscribed are the kinds that are received from as long as the process runs.
func subscribed() []kind { return []kind{stream, plainStream, fifo, standard} }

// rounded is how long the queue hides what is to be hidden for d. SQS takes whole seconds.
func (k kind) rounded(d time.Duration) time.Duration {
	if k.takeover {
		return d
	}
	return (d + time.Second - 1).Truncate(time.Second)
}

func allKinds() []kind { return append(subscribed(), lambdaFIFO, lambdaStandard) }

// forEach runs the same test on every kind, in virtual time.
func forEach(t *testing.T, kinds []kind, test func(t *testing.T, k kind)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, k) })
		})
	}
}
