package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livepipe/livepipe/internal/lanes"
)

// receipt names one delivery in 24 bytes; the rest of the ack subject is the epoch's.
type receipt struct {
	epoch       *epoch
	streamSeq   uint64
	consumerSeq uint64
}

// The bodies of acknowledgements (ADR-15 of the NATS architecture).
var (
	bodyAck      = []byte("+ACK")
	bodyProgress = []byte("+WPI")
)

// Settle ends leases. The last entry of a batch asks for an answer, and the server works on a consumer's
// acknowledgements one after the other; so when the answer comes, all of the batch is done. An acknowledgement is not
// fsynced: a crash of the machine may bring a handled message again, which is no effect.
func (s *Source) Settle(ctx context.Context, batch []lanes.Settlement) []error {
	acks := make([]ack, len(batch))
	for i, e := range batch {
		body := bodyAck
		if e.Action == lanes.Delay {
			body = fmt.Appendf(nil, `-NAK {"delay": %d}`, max(e.After, 0)/time.Nanosecond)
		}
		acks[i] = ack{e.Receipt, body}
	}
	return s.tell(ctx, acks)
}

// Extend starts the lease of AckWait again, all of a batch with one round trip.
func (s *Source) Extend(ctx context.Context, batch []lanes.Receipt) []error {
	acks := make([]ack, len(batch))
	for i, r := range batch {
		acks[i] = ack{r, bodyProgress}
	}
	return s.tell(ctx, acks)
}

type ack struct {
	receipt lanes.Receipt
	body    []byte
}

// tell sends what is of this epoch. Entries of an earlier one answer lanes.ErrGone: they come again to the new owner,
// whose acknowledgement counts.
func (s *Source) tell(ctx context.Context, acks []ack) []error {
	errs := make([]error, len(acks))
	current := s.epoch.Load()
	last := -1
	for i, a := range acks {
		if r, ok := a.receipt.(receipt); !ok || r.epoch != current {
			errs[i] = lanes.ErrGone
			continue
		}
		last = i
	}
	for i, a := range acks[:last+1] {
		if errs[i] != nil {
			continue
		}
		subject := a.receipt.(receipt).ackSubject()
		if i < last {
			errs[i] = s.bus.nc.Publish(subject, a.body)
			continue
		}
		if err := s.confirm(ctx, subject, a.body); err != nil {
			return fail(errs, err)
		}
	}
	return errs
}

func (s *Source) confirm(ctx context.Context, subject string, body []byte) error {
	ctx, cancel := s.bus.call(ctx, apiTimeout)
	defer cancel()
	if _, err := s.bus.nc.RequestWithContext(ctx, subject, body); err != nil {
		return fmt.Errorf("settle on %s: %w", s.queue.Name, errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

// fail gives err to every entry that has none: without the answer nothing is known about them.
func fail(errs []error, err error) []error {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

// Reread reads the body again from the stream, which keeps it until every queue has acknowledged it, and for about a
// second longer. Then the answer is lanes.ErrGone.
func (s *Source) Reread(ctx context.Context, r lanes.Receipt) (*message.Message, error) {
	own, ok := r.(receipt)
	if !ok || own.epoch != s.epoch.Load() {
		return nil, lanes.ErrGone
	}
	ctx, cancel := s.bus.call(ctx, apiTimeout)
	defer cancel()
	raw, err := s.bus.streams[s.queue.Stream].GetMsg(ctx, own.streamSeq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, lanes.ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read message %d again: %w", own.streamSeq, err)
	}
	return decodeRaw(raw), nil
}

// ackSubject rebuilds the reply subject of the delivery. Its other numbers (delivery count, time, pending) are for the
// client's information; the server reads the two sequences.
func (r receipt) ackSubject() string {
	b := make([]byte, 0, len(r.epoch.ackPrefix)+48)
	b = append(b, r.epoch.ackPrefix...)
	b = append(b, "1."...)
	b = strconv.AppendUint(b, r.streamSeq, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, r.consumerSeq, 10)
	return string(append(b, ".0.0"...))
}

// ackPrefix cuts the numbers off a reply subject: $JS.ACK.<stream>.<durable>.<5 numbers>, or with the domain and the
// account's hash before the stream and more tokens allowed at the end (ADR-15).
func ackPrefix(reply string) string {
	tokens := strings.Split(reply, ".")
	n := 4
	if len(tokens) > 9 {
		n = 6
	}
	return strings.Join(tokens[:min(n, len(tokens))], ".") + "."
}
