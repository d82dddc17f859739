package lanes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Order says how a source delivers, and so what becomes of a delivery that failed.
type Order int

const (
	// Ordered sources (JetStream, FIFO queues) deliver a key in order: a failed head is tried again from memory, and
	// its followers stay behind it.
	Ordered Order = iota
	// Unordered sources (standard queues) promise none: a failed delivery goes back with its delay, its followers pass,
	// and what a key has beyond BodiesPerKey goes back too.
	Unordered
	// Invocation sources (a Lambda batch) end with their batch, so nothing waits here: a failed delivery goes back at
	// once with everything behind it in its lane, and an outage hands everything back. The context of a message is its
	// batch's: when it ends, handlers are told to return, and what was not started goes back.
	Invocation
)

// Config bounds one subscription. The zero value of a field means its default.
type Config struct {
	// Order is what the source promises. Default Ordered.
	Order Order
	// KeysLock says that an Ordered source delivers nothing of a key while one of its deliveries is leased or delayed, as
	// a FIFO queue of SQS does. Closed lanes may then go back as a whole when they fill the memory.
	KeysLock bool
	// SettleBatch is how many acks make a call worth its price (SQS takes ten). Fewer wait up to SettleLinger for more,
	// with their leases extended; a stop waits for none. What is handed back never waits. Zero: every ack goes with the
	// next call.
	SettleBatch  int
	SettleLinger time.Duration
	// Lease is how long the source hides a delivery from others. Extension starts at half of it. Default 60 s.
	Lease time.Duration
	// Concurrency is how many messages are handled at once. Default 64.
	Concurrency int
	// MaxMessages bounds the bodies in memory. Default 4096: 64 running lanes with 32 bodies each are 2048, so
	// that as much again is free for lanes that wait for a slot.
	MaxMessages int
	// MaxBytes bounds the bytes of those bodies. Default 64 MiB: 4096 bodies of 16 KiB.
	MaxBytes int
	// LargestMessage is the most bytes that one delivery may hold. Each message asked for reserves as much before
	// it is received, which is what keeps MaxBytes. Default 256 KiB, the limit of an SNS message.
	LargestMessage int
	// MaxReceipts bounds everything held, with or without a body. Default 1,048,576; see held for the bytes.
	MaxReceipts int
	// BodiesPerKey bounds the bodies of one key. What comes on top keeps its receipt only, if the source is a
	// Rereader. If it is Unordered, what comes on top goes back when there is not much room left, or the key has as much
	// as it can handle within half a lease. Otherwise the body is kept and intake stops when MaxMessages or MaxBytes is
	// reached. Default 32.
	BodiesPerKey int
	// Retry is the delay after a counted failure. Default 500 ms doubling to 5 min, jitter 0.3.
	Retry Backoff
	// Probe is the delay between probes while the worker is unavailable. Default 1 s doubling to 30 s, jitter 0.3.
	Probe Backoff
	// Source is the delay after a failed call of the source. Default 100 ms doubling to 10 s, jitter 0.3.
	Source Backoff
	// CloseTimeout bounds how long handlers in flight may take once a subscription ends. Default 10 s.
	CloseTimeout time.Duration
	// SettleTimeout bounds what follows when that time is over: handlers get a quarter of it to return after their contexts
	// ended, the last settles get the rest. Default 4 s.
	SettleTimeout time.Duration
	// Rand returns a number in [0, 1) for jitter; it is called from several goroutines. Default math/rand/v2.
	Rand func() float64
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	byDefault(&c.Lease, time.Minute)
	byDefault(&c.Concurrency, 64)
	byDefault(&c.MaxMessages, 4096)
	byDefault(&c.MaxBytes, 64<<20)
	byDefault(&c.LargestMessage, 256<<10)
	byDefault(&c.MaxReceipts, 1<<20)
	byDefault(&c.BodiesPerKey, 32)
	byDefault(&c.Retry, Backoff{Initial: 500 * time.Millisecond, Max: 5 * time.Minute, Jitter: 0.3})
	byDefault(&c.Probe, Backoff{Initial: time.Second, Max: 30 * time.Second, Jitter: 0.3})
	byDefault(&c.Source, Backoff{Initial: 100 * time.Millisecond, Max: 10 * time.Second, Jitter: 0.3})
	byDefault(&c.CloseTimeout, 10*time.Second)
	byDefault(&c.SettleTimeout, 4*time.Second)
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	return c
}

func byDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports everything that is wrong with c at once.
func (c Config) validate() error {
	var problems []error
	atLeast := func(name string, value, least int) {
		if value < least {
			problems = append(problems, fmt.Errorf("%s is %d, must be at least %d", name, value, least))
		}
	}
	atLeast("Concurrency", c.Concurrency, 1)
	atLeast("MaxMessages", c.MaxMessages, 4)
	atLeast("LargestMessage", c.LargestMessage, 1)
	// A quarter of the budget is kept for bodies that are read again, and it must take one of them.
	atLeast("MaxBytes", c.MaxBytes, 4*c.LargestMessage)
	atLeast("MaxReceipts", c.MaxReceipts, c.MaxMessages)
	atLeast("BodiesPerKey", c.BodiesPerKey, 1)
	if c.Order < Ordered || c.Order > Invocation {
		problems = append(problems, fmt.Errorf("order is %d, must be Ordered, Unordered or Invocation", c.Order))
	}
	if c.SettleBatch < 0 || c.SettleBatch > settleBatch {
		problems = append(problems, fmt.Errorf("SettleBatch is %d, must be 0 to %d", c.SettleBatch, settleBatch))
	}
	if c.SettleLinger < 0 || c.SettleLinger > c.Lease/2 {
		problems = append(problems, fmt.Errorf("SettleLinger is %s, must be 0 to half a lease", c.SettleLinger))
	}
	if c.Lease < time.Second {
		problems = append(problems, fmt.Errorf("lease is %s, must be at least 1s", c.Lease))
	}
	if c.CloseTimeout < 0 || c.SettleTimeout < 0 {
		problems = append(problems, fmt.Errorf("CloseTimeout is %s and SettleTimeout %s, must not be negative", c.CloseTimeout, c.SettleTimeout))
	}
	problems = append(problems, c.Retry.validate("Retry"), c.Probe.validate("Probe"), c.Source.validate("Source"))
	return errors.Join(problems...)
}
