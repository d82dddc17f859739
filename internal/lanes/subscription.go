package lanes

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// subscription is one Subscribe. The goroutine of loop owns all state; calls of the source and waits for handlers
// are goroutines that answer on a channel.
type subscription struct {
	cfg      Config
	queue    string
	source   Source
	rereader Rereader // nil if the source cannot, or need not because a lane's excess goes back
	began    time.Time
	attempts *attempts
	log      *slog.Logger
	meters   meters
	out      chan *message.Message

	ended                 <-chan struct{} // Subscribe's context
	stopOnce, hurryOnce   sync.Once
	stopAsked, hurryAsked chan struct{}
	abandoned             chan struct{} // closed when running handlers are no longer waited for
	done                  chan struct{}
	err                   error // set before done is closed

	receiving      context.Context // of Fetch and Reread
	endReceiving   context.CancelFunc
	calls          context.Context // of Settle and Extend
	endCalls       context.CancelFunc
	handlers       context.Context // parent of message contexts
	cancelHandlers context.CancelFunc

	fetched  chan fetched
	settled  chan []error
	extended chan []error
	reread   chan reread
	finished chan *run

	lanes        map[string]*lane
	ready        readyLanes
	closed       closedLanes
	closedBodies int // bodies in closed lanes
	offer        *run
	runs         map[*run]struct{} // in flight
	memory       budget
	intake       intake
	reads        bodyReads
	leases       leases
	settler      settler
	outage       outage
	stop         stop
	alarm        alarm

	deaf atomic.Pointer[error] // why fetches fail, for Health; nil while they do not
}

func newSubscription(
	ctx context.Context, cfg Config, queue string, source Source, a *attempts, log *slog.Logger, m meters,
) *subscription {
	values := context.WithoutCancel(ctx)
	now := time.Now()
	s := &subscription{
		cfg: cfg, queue: queue, source: source, began: now, attempts: a, log: log, meters: m,
		out:        make(chan *message.Message),
		ended:      ctx.Done(),
		stopAsked:  make(chan struct{}),
		hurryAsked: make(chan struct{}),
		abandoned:  make(chan struct{}),
		done:       make(chan struct{}),
		// Each has room for every answer that can be under way, so that none waits for a loop that has ended.
		fetched:  make(chan fetched, 1),
		settled:  make(chan []error, 1),
		extended: make(chan []error, 1),
		reread:   make(chan reread, rereads),
		finished: make(chan *run, cfg.Concurrency),
		lanes:    make(map[string]*lane),
		runs:     make(map[*run]struct{}),
		leases:   newLeases(cfg.Lease, now),
		settler:  newSettler(cfg),
	}
	s.intake.health.what = "fetch"
	s.reads.health.what = "reread"
	if cfg.Order == Ordered {
		s.rereader, _ = source.(Rereader)
	}
	s.receiving, s.endReceiving = context.WithCancel(values)
	s.calls, s.endCalls = context.WithCancel(values)
	s.handlers, s.cancelHandlers = context.WithCancel(values)
	return s
}

// loop runs until the subscription has stopped.
func (s *subscription) loop() {
	s.alarm.timer = time.NewTimer(time.Hour)
	defer s.alarm.timer.Stop()
	now := time.Now()
	for {
		s.advance(now)
		if s.stopped() {
			s.endStop(now)
			return
		}
		s.step(now)
		now = time.Now()
	}
}

// step waits for one event and takes it in.
func (s *subscription) step(now time.Time) {
	out, msg := s.offered(now)
	select {
	case out <- msg:
		s.started()
	case r := <-s.finished:
		s.onFinished(r, time.Now())
	case f := <-s.fetched:
		s.onFetched(f, time.Now())
	case errs := <-s.settled:
		s.onSettled(errs, time.Now())
	case errs := <-s.extended:
		s.onExtended(errs)
	case r := <-s.reread:
		s.onReread(r, time.Now())
	case <-s.alarm.timer.C:
		s.alarm.at = time.Time{}
	case <-s.ended:
		s.ended = nil
		now := time.Now()
		s.beginStop(now, now.Add(s.cfg.CloseTimeout))
	case <-s.stopAsked:
		s.stopAsked = nil
		s.beginStop(time.Now(), time.Time{})
	case <-s.hurryAsked:
		s.hurryAsked = nil
		s.beginStop(time.Now(), time.Time{})
		s.hurry(time.Now())
	}
}

// advance does everything that can be done without waiting.
func (s *subscription) advance(now time.Time) {
	s.advanceStop(now)
	s.openDue(now)
	s.shed(now)
	s.readBodies(now)
	s.measure()
	s.fetch(now)
	s.extend(now)
	s.settle(now)
	s.alarm.set(s.nextWake(now), now)
}

// schedule decides what an idle lane does next.
func (s *subscription) schedule(l *lane, now time.Time) {
	for l.head != nil && l.head.gone {
		s.finishHead(l, now)
	}
	switch {
	case l.head == nil:
		delete(s.lanes, l.key)
		return
	case l.head.msg != nil:
		l.state = laneReady
		s.ready.push(l)
	case l.head.bare() && now.Before(l.readAfter):
		s.closeUntil(l, l.readAfter)
	default:
		l.state = laneReading
	}
	s.wantRead(l)
}

// offered returns the channel and the message to send, or nil when none may start.
func (s *subscription) offered(now time.Time) (chan<- *message.Message, *message.Message) {
	if s.stop.phase != running || len(s.runs) >= s.cfg.Concurrency {
		return nil, nil
	}
	if s.outage.paused && (s.outage.probing || now.Before(s.outage.probeAt)) {
		return nil, nil
	}
	for s.offer == nil {
		l := s.ready.pop()
		if l == nil {
			return nil, nil
		}
		if s.dropEnded(l, now) {
			s.offer = s.newRun(l)
		}
	}
	return s.out, s.offer.msg
}

// withdraw puts the lane of an offer that nobody took back to the front.
func (s *subscription) withdraw() {
	if s.offer != nil {
		s.offer.cancel()
		s.ready.pushFront(s.offer.lane)
		s.offer = nil
	}
}

// started takes note that the consumer received the offer, and waits for its end.
func (s *subscription) started() {
	r := s.offer
	s.offer = nil
	r.lane.state = laneRunning
	r.began = time.Since(s.began)
	r.probe = s.outage.paused
	s.outage.probing = s.outage.paused
	s.runs[r] = struct{}{}
	go func() {
		select {
		case <-r.msg.Acked():
			r.acked = true
		case <-r.msg.Nacked():
		case <-s.abandoned:
			return
		}
		s.finished <- r
	}()
}

func (s *subscription) measure() {
	m := &s.meters
	m.inFlight.set(len(s.runs))
	m.heldMessages.set(s.leases.count + s.settler.returning)
	m.heldBodies.set(s.memory.bodies)
	m.heldBytes.set(s.memory.bytes)
	m.closed.set(len(s.closed))
	paused := 0
	if s.outage.paused {
		paused = 1
	}
	m.paused.set(paused)
}

// nextWake returns the earliest time at which advance has something new to do.
func (s *subscription) nextWake(now time.Time) time.Time {
	wake := now.Add(time.Hour)
	consider := func(t time.Time) {
		if t.After(now) && t.Before(wake) {
			wake = t
		}
	}
	consider(s.stop.at)
	consider(s.closed.next())
	consider(s.intake.retryAt)
	if s.leases.count > 0 {
		consider(s.leases.next)
	}
	consider(s.settler.lingerEnds(s.began))
	if len(s.settler.failed) > 0 {
		consider(s.settler.retryAt)
	}
	if s.outage.paused {
		consider(s.outage.probeAt)
	}
	return wake
}

// alarm is the one timer of the loop.
type alarm struct {
	timer *time.Timer
	at    time.Time
}

func (a *alarm) set(at, now time.Time) {
	if a.at.IsZero() || at.Before(a.at) { // waking too early is harmless and cheaper than moving the timer
		a.at = at
		a.timer.Reset(at.Sub(now))
	}
}
