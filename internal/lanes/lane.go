package lanes

import (
	"container/heap"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// held is one leased delivery. A lane that waits may hold a million of them, so the struct is 80 bytes: receipt 16,
// body pointer 8, ID 16, lane link 8, lease links 16, renewal 8, size 4, flags 3, receive count 1. With a boxed 8-byte
// receipt that is 88 bytes for each waiting message, 88 MiB at the default MaxReceipts. TestReceiptMemory prints it.
type held struct {
	receipt Receipt
	msg     *message.Message // nil when only the receipt is kept
	id      string           // Delivery.ID

	next         *held // follower in the lane
	older, newer *held // neighbours in a leaseList

	renewed time.Duration // since the subscription began
	size    int32
	reading bool // the body is being read again
	gone    bool // the queue no longer has it
	ended   bool // its lease is no longer ours to extend

	received uint8 // Delivery.Received; the delays that it makes grow have long stopped at 255
}

// bare reports whether the body has to be read before h can run.
func (h *held) bare() bool { return h.msg == nil && !h.reading && !h.gone }

type laneState uint8

const (
	laneIdle    laneState = iota // empty, or looked at right now
	laneReady                    // the head waits for a slot
	laneRunning                  // the head is in flight
	laneClosed                   // the head waits for its retry
	laneReading                  // the head's body is being read, or waits for that
)

// lane is the queue of one key.
type lane struct {
	key        string
	head, tail *held
	cursor     *held // no bare entry stands before it; nil when none follows either
	state      laneState
	bodies     int // entries with a body
	bytes      int // of these
	reads      int // bodies being read
	bareCount  int
	failures   int // counted failures of the head
	outages    int // times in a row that the head reported an outage

	readFailures int
	readAfter    time.Time // no read before, after a failed one
	readQueued   bool

	pace      pace
	due       time.Time // when a closed lane opens
	nextReady *lane
}

func (l *lane) push(h *held) {
	if l.tail == nil {
		l.head = h
	} else {
		l.tail.next = h
	}
	l.tail = h
}

func (l *lane) pop() *held {
	h := l.head
	if l.head = h.next; l.head == nil {
		l.tail = nil
	}
	if l.cursor == h {
		l.cursor = h.next
	}
	h.next = nil
	return h
}

// cut takes out what stands behind the head, and returns the first of it.
func (l *lane) cut() *held {
	followers := l.head.next
	l.head.next, l.tail = nil, l.head
	return followers
}

// nextBare returns the first entry whose body has to be read, or nil.
func (l *lane) nextBare() *held {
	for h := l.cursor; h != nil; h = h.next {
		if h.bare() {
			l.cursor = h.next
			return h
		}
	}
	l.cursor = nil
	return nil
}

// readyLanes is a queue: first ready, first started, so a hot key gets one slot and then waits behind the others.
type readyLanes struct{ first, last *lane }

func (q *readyLanes) push(l *lane) {
	l.nextReady = nil
	if q.last == nil {
		q.first = l
	} else {
		q.last.nextReady = l
	}
	q.last = l
}

func (q *readyLanes) pushFront(l *lane) {
	l.nextReady = q.first
	q.first = l
	if q.last == nil {
		q.last = l
	}
}

func (q *readyLanes) pop() *lane {
	l := q.first
	if l == nil {
		return nil
	}
	if q.first = l.nextReady; q.first == nil {
		q.last = nil
	}
	l.nextReady = nil
	return l
}

// closedLanes is a heap by due time.
type closedLanes []*lane

func (c closedLanes) Len() int           { return len(c) }
func (c closedLanes) Less(i, j int) bool { return c[i].due.Before(c[j].due) }
func (c closedLanes) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }

// Push belongs to heap.Interface.
func (c *closedLanes) Push(l any) { *c = append(*c, l.(*lane)) }

// Pop belongs to heap.Interface.
func (c *closedLanes) Pop() any { return c.dropLast() }

// dropLast takes the last lane out, as the heap allows without being put right.
func (c *closedLanes) dropLast() *lane {
	last := len(*c) - 1
	l := (*c)[last]
	(*c)[last] = nil
	*c = (*c)[:last]
	return l
}

func (c *closedLanes) add(l *lane) { heap.Push(c, l) }

// open removes and returns one lane that is due at now, or nil.
func (c *closedLanes) open(now time.Time) *lane {
	if len(*c) == 0 || (*c)[0].due.After(now) {
		return nil
	}
	return heap.Pop(c).(*lane)
}

func (c closedLanes) next() time.Time {
	if len(c) == 0 {
		return time.Time{}
	}
	return c[0].due
}
