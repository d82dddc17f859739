package amazon

import (
	"cmp"
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/lanes"
)

const (
	// pollersMax are the most receives at once: 16 calls of 10 ms bring 16,000 messages a second.
	pollersMax = 16
	// sqsTimeout bounds one call for what was received and its retries; a long poll waits in addition.
	sqsTimeout = 10 * time.Second
)

// pollers are the receives under way, and how many there should be.
type pollers struct {
	want    int // grows while answers are full
	open    int
	asked   int // messages that the open ones may bring
	answers chan answer
	era     int      // counts failures that were reported; those of receives that began before are old news
	lost    []string // attempts that nobody has an answer to
}

func newPollers() pollers {
	return pollers{want: 1, answers: make(chan answer, pollersMax)} // room for all, so that none waits for a Fetch
}

// answer is the end of one receive.
type answer struct {
	attempt string // FIFO only
	wait    time.Duration
	asked   int
	era     int
	got     int // what SQS gave
	arrived []received
	err     error
}

// poll opens as many receives as the backlog deserves and limit allows. One that cannot bring ten is opened only if
// small says so, and nothing else is to come.
func (s *Source) poll(limit int, small bool) {
	p := &s.pollers
	for p.open < p.want {
		n := min(maxBatch, limit-len(s.arrived)-p.asked)
		if n < maxBatch && (!small || p.open > 0) || n < 1 {
			return
		}
		a := answer{asked: n, era: p.era, wait: s.bus.cfg.PollWait}
		if s.failed {
			a.wait = time.Second // the least: the SDK leaves 0 out, and then the queue's own setting counts
		}
		if s.bus.cfg.FIFO {
			a.attempt = p.attempt(n)
		}
		p.open++
		p.asked += n
		go func() { p.answers <- s.receive(a) }()
	}
}

// attempt names a receive on a FIFO queue, so that a retry gets the same messages instead of waiting until their lease
// ends; with the SDK's own retries in mind, and with the next receive after one whose answer got lost.
func (p *pollers) attempt(n int) string {
	if last := len(p.lost) - 1; last >= 0 && n == maxBatch {
		id := p.lost[last]
		p.lost = p.lost[:last]
		return id
	}
	return rand.Text()
}

// collect accepts all answers that are there.
func (s *Source) collect() error {
	var failed error
	for {
		select {
		case a := <-s.pollers.answers:
			if err := s.accept(a); err != nil {
				failed = err
			}
		default:
			return failed
		}
	}
}

// accept takes an answer in and adapts the number of receives: an answer that is full doubles it, one that is less than
// half full takes one away, and a failure leaves a single one.
func (s *Source) accept(a answer) error {
	p := &s.pollers
	p.open--
	p.asked -= a.asked
	switch {
	case a.err != nil:
		p.want = 1
	case a.got == maxBatch:
		p.want = min(2*p.want, pollersMax)
	case a.got < a.asked/2:
		p.want = max(1, p.want-1)
	}
	s.arrived = append(s.arrived, a.arrived...)
	if a.err == nil {
		return nil
	}
	if a.attempt != "" && a.asked == maxBatch && len(p.lost) < pollersMax {
		p.lost = append(p.lost, a.attempt)
	}
	if a.era < p.era {
		return nil
	}
	p.era++
	return a.err
}

// systemAttributes are what deliver reads.
var systemAttributes = []sqstypes.MessageSystemAttributeName{
	sqstypes.MessageSystemAttributeNameApproximateReceiveCount,
	sqstypes.MessageSystemAttributeNameMessageGroupId,
}

// receive is one long poll, or after a failure a short one.
func (s *Source) receive(a answer) answer {
	ctx, cancel := context.WithTimeout(s.receives, a.wait+sqsTimeout)
	defer cancel()
	in := &sqs.ReceiveMessageInput{
		QueueUrl:                    &s.url,
		MaxNumberOfMessages:         int32(a.asked),
		WaitTimeSeconds:             roundUp(a.wait),
		VisibilityTimeout:           roundUp(s.visibility),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: systemAttributes,
	}
	if a.attempt != "" {
		in.ReceiveRequestAttemptId = &a.attempt
	}
	out, err := s.bus.sqs.ReceiveMessage(ctx, in)
	if err != nil {
		a.err = err
		return a
	}
	a.got = len(out.Messages)
	a.arrived = s.decodeAll(out.Messages, time.Now())
	return a
}

// claimRetry is when a message comes again whose large body could not be read, times the number of its receives: the
// hundred that SQS allows it, before it takes it for the cause of crashes, last 42 hours.
const claimRetry = 30 * time.Second

// decodeAll makes deliveries of what was received at the given time. While the store of large bodies is down, what needs
// it goes back, and on a FIFO queue what its group holds behind it as well.
func (s *Source) decodeAll(msgs []sqstypes.Message, at time.Time) []received {
	ctx, cancel := context.WithTimeout(s.receives, sqsTimeout)
	defer cancel()
	arrived := make([]received, 0, len(msgs))
	var back []change
	waiting := map[string]bool{} // groups
	for i := range msgs {
		m := &msgs[i]
		r := &receipt{handle: aws.ToString(m.ReceiptHandle), at: at}
		if !waiting[s.bus.fifoGroup(m)] {
			msg, err := s.bus.decode(ctx, m)
			if err == nil {
				d := s.bus.deliver(m, msg)
				d.Receipt = r
				arrived = append(arrived, received{d, at})
				continue
			}
			s.log.Warn("large body not read, its message waits", "error", err)
			if group := s.bus.fifoGroup(m); group != "" {
				waiting[group] = true
			}
		}
		back = append(back, hide(r, claimRetry*time.Duration(max(1, receivedOf(m))), at))
	}
	if len(back) > 0 {
		_ = s.bus.change(ctx, s.url, back) // those that fail come back when their lease ends
	}
	return arrived
}

// deliver makes a delivery of what was received, all but its receipt.
func (b *Bus) deliver(m *sqstypes.Message, msg *message.Message) lanes.Delivery {
	return lanes.Delivery{
		Message: msg, Size: weigh(msg), ID: aws.ToString(m.MessageId),
		Key:      cmp.Or(msg.Metadata.Get(bus.MetadataLane), b.fifoGroup(m), aws.ToString(m.MessageId)),
		Received: receivedOf(m),
	}
}

// receivedOf is 0 when SQS says nothing readable.
func receivedOf(m *sqstypes.Message) int {
	n, _ := strconv.Atoi(m.Attributes[string(sqstypes.MessageSystemAttributeNameApproximateReceiveCount)])
	return n
}

// fifoGroup is the group that keeps its order. On a standard queue a group is a tenant, and empty here.
func (b *Bus) fifoGroup(m *sqstypes.Message) string {
	if !b.cfg.FIFO {
		return ""
	}
	return m.Attributes[string(sqstypes.MessageSystemAttributeNameMessageGroupId)]
}

// weigh is what a message takes in memory, in bytes, without what every message takes.
func weigh(msg *message.Message) int {
	size := len(msg.Payload)
	for k, v := range msg.Metadata {
		size += len(k) + len(v)
	}
	return size
}
