package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

const (
	// apiTimeout bounds one call of the server's API that has no deadline of its own.
	apiTimeout = 5 * time.Second

	// largestPull bounds what the server may send before the engine asks again: at most so many messages wait in
	// memory beside those that the engine has counted.
	largestPull = 256
	pullExpires = 30 * time.Second
	// pullHeartbeat makes the server say that a pull is still open; two missing ones end it.
	pullHeartbeat = 5 * time.Second

	pinHeader    = "Nats-Pin-Id"
	statusHeader = "Status"
)

var (
	errWrongPin     = errors.New("another process owns the queue")
	errDisconnected = errors.New("disconnected")
	errSilent       = errors.New("no heartbeat")
)

// pull is an open request for messages. It is not jetstream.Consumer's: that one hides the order in which a pin
// changes, a subscription ends and messages arrive, which is what the reset of a takeover depends on. And it is no
// no_wait request, which the server refuses while those who stand by ask for more than there is.
type pull struct {
	sub     *nats.Subscription
	arrived chan *nats.Msg
	conn    context.Context // ends when the connection that the pull was made on breaks
	credit  int             // messages that the server may still send
}

// pullRequest is the body of $JS.API.CONSUMER.MSG.NEXT. Durations are in nanoseconds.
type pullRequest struct {
	Batch     int    `json:"batch"`
	MaxBytes  int    `json:"max_bytes,omitzero"`
	Expires   int64  `json:"expires,omitzero"`
	Heartbeat int64  `json:"idle_heartbeat,omitzero"`
	NoWait    bool   `json:"no_wait,omitzero"`
	Group     string `json:"group"`
	Pin       string `json:"id,omitzero"`
}

func (p *pull) broken() bool { return p.sub == nil }

// breakOff forgets the request. The server sees that nobody listens and sends nothing more for it.
func (p *pull) breakOff() {
	if p.sub != nil {
		_ = p.sub.Unsubscribe() // fails only when the connection is gone, and the subscription with it
	}
	*p = pull{}
}

func (p *pull) open(b *Bus) error {
	p.breakOff()
	conn := b.connection()
	// Statuses come beside the messages: one end and at most 6 heartbeats in 30 s.
	arrived := make(chan *nats.Msg, largestPull+16)
	sub, err := b.nc.ChanSubscribe(b.nc.NewInbox(), arrived)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	*p = pull{sub: sub, arrived: arrived, conn: conn}
	return nil
}

// next waits for messages or a sign of life, which is none, and returns at most limit of them. An open request stays open
// between calls, so that a message on a quiet queue arrives without a round trip.
func (p *pull) next(ctx context.Context, limit int, request func(inbox string, batch int) error) ([]*nats.Msg, error) {
	silent := time.NewTimer(2*pullHeartbeat + time.Second)
	defer silent.Stop()
	if p.credit == 0 && len(p.arrived) == 0 {
		p.credit = min(limit, largestPull)
		if err := request(p.sub.Subject, p.credit); err != nil {
			return nil, err
		}
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.conn.Done():
		return nil, errDisconnected
	case <-silent.C:
		return nil, errSilent
	case m := <-p.arrived:
		return p.take(m, limit)
	}
}

// take returns m and what has arrived behind it. An error that comes with messages may be forgotten: the next request
// is answered with it again.
func (p *pull) take(m *nats.Msg, limit int) ([]*nats.Msg, error) {
	var msgs []*nats.Msg
	for {
		status := statusOf(m)
		if status == "" {
			p.credit--
			msgs = append(msgs, m)
		} else if err := p.onStatus(status, m); err != nil {
			return msgs, err
		}
		if len(msgs) >= limit {
			return msgs, nil
		}
		select {
		case m = <-p.arrived:
		default:
			return msgs, nil
		}
	}
}

func (p *pull) onStatus(status string, m *nats.Msg) error {
	switch status {
	case "100": // heartbeat
		return nil
	case "404", "408": // the request is over
		p.credit = 0
		return nil
	case "423":
		p.credit = 0
		return errWrongPin
	default: // 409: consumer deleted, leadership changed; 503: nobody serves the consumer
		p.credit = 0
		return fmt.Errorf("server answers %s %s", status, m.Header.Get("Description"))
	}
}

// statusOf returns "" for a message.
func statusOf(m *nats.Msg) string {
	if len(m.Data) > 0 {
		return ""
	}
	return m.Header.Get(statusHeader)
}

// request asks for batch messages as the owner, or as one who stands by.
func (s *Source) request(inbox string, batch int) error {
	return s.bus.request(s.queue, inbox, pullRequest{
		Batch: batch, Expires: int64(pullExpires), Heartbeat: int64(pullHeartbeat),
		Group: ownerGroup, Pin: s.ownPin(),
	})
}

func (b *Bus) request(q Queue, inbox string, req pullRequest) error {
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode pull request: %w", err)
	}
	if err := b.nc.PublishRequest(b.nextSubject(q), inbox, body); err != nil {
		return fmt.Errorf("ask for messages: %w", err)
	}
	return nil
}

func (b *Bus) nextSubject(q Queue) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + b.names.stream(q.Stream) + "." + q.Name
}

// signOfLife renews the pin without receiving anything: the server notes the pin of every request before it looks for
// messages, and no message fits into one byte.
func (b *Bus) signOfLife(ctx context.Context, q Queue, pin string) error {
	body, err := json.Marshal(pullRequest{Batch: 1, MaxBytes: 1, NoWait: true, Group: ownerGroup, Pin: pin})
	if err != nil {
		return fmt.Errorf("encode pull request: %w", err)
	}
	ctx, cancel := b.call(ctx, pinnedTTL/3)
	defer cancel()
	answer, err := b.nc.RequestWithContext(ctx, b.nextSubject(q), body)
	if err != nil {
		return fmt.Errorf("keep queue %s: %w", q.Name, err)
	}
	if statusOf(answer) == "423" {
		return errWrongPin
	}
	return nil
}
