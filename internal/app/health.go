package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Checks run every few seconds, and at once when a publish has failed; each is bounded, because a broker or a disk that
// hangs must turn readiness false too.
const (
	checkEvery = 5 * time.Second
	checkAgain = time.Second // while something is wrong
	checkBound = 3 * time.Second
)

// errDraining is the readiness of a process that has begun to stop.
var errDraining = errors.New("stopping")

// check is one thing a process needs.
type check struct {
	name string
	run  func(ctx context.Context) error
}

// health watches what the process needs and repairs the broker in place when it can.
type health struct {
	checks  []check
	bus     Bus
	log     *slog.Logger
	nudge   chan struct{}
	done    chan struct{}
	stopped sync.Once
	state   atomic.Pointer[map[string]error]
	gone    atomic.Bool
}

func newHealth(o Options) *health {
	h := &health{
		checks: []check{{"bus", o.Bus.Health}, {"store", o.Store.Health}, {"blobs", o.Blobs.Health}},
		bus:    o.Bus,
		log:    o.Logger,
		nudge:  make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	h.state.Store(&map[string]error{"start": errors.New("not checked yet")})
	return h
}

// run checks until stop.
func (h *health) run() error {
	for {
		wait := checkEvery
		if !h.checkAll() {
			wait = checkAgain
		}
		timer := time.NewTimer(wait)
		select {
		case <-h.done:
			timer.Stop()
			return nil
		case <-h.nudge:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (h *health) stop(context.Context) error {
	h.stopped.Do(func() { close(h.done) })
	return nil
}

// drain turns readiness false for the rest of the process's life.
func (h *health) drain() { h.gone.Store(true) }

// ready is nil, or what is wrong by name.
func (h *health) ready() map[string]error {
	if h.gone.Load() {
		return map[string]error{"process": errDraining}
	}
	return *h.state.Load()
}

// suspect asks for a check now.
func (h *health) suspect() {
	select {
	case h.nudge <- struct{}{}:
	default: // one is waiting already
	}
}

func (h *health) checkAll() bool {
	wrong := map[string]error{}
	for _, c := range h.checks {
		if err := h.check(c); err != nil {
			wrong[c.name] = err
		}
	}
	before := *h.state.Swap(&wrong)
	for name, err := range wrong {
		if before[name] == nil {
			h.log.Error("not ready", "part", name, "error", err)
		}
	}
	if len(wrong) == 0 && len(before) > 0 {
		h.log.Info("ready")
	}
	if _, bus := wrong["bus"]; bus && len(wrong) == 1 && h.bus.Repair != nil {
		h.repair()
	}
	return len(wrong) == 0
}

func (h *health) check(c check) error {
	ctx, cancel := context.WithTimeout(context.Background(), checkBound)
	defer cancel()
	return c.run(ctx)
}

// repair restarts the broker once the disk takes writes again (the other checks pass): after a full disk an embedded
// server publishes nothing until it is restarted.
func (h *health) repair() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*checkBound)
	defer cancel()
	h.log.Warn("restarting the broker in place")
	if err := h.bus.Repair(ctx); err != nil {
		h.log.Error("restart the broker", "error", err)
	}
}

// watched tells health of every failed publish, so that readiness turns false within one check and not one interval.
type watched struct {
	message.Publisher
	health *health
}

// Publish implements message.Publisher.
func (w watched) Publish(topic string, msgs ...*message.Message) error {
	err := w.Publisher.Publish(topic, msgs...)
	if err != nil {
		w.health.suspect()
	}
	return err
}
