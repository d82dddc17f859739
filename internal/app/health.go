package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
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
	// paidEvery is for what costs money, while it passes: every 5 s it would be 25 calls a minute of a process that idles on
	// SNS, SQS and S3.
	paidEvery = time.Minute
	// repairAfter is how many checks of the bus in a row must fail before it is restarted: a restart breaks off every
	// publish under way, so one late answer of a busy disk is no reason. Three are 2 to 11 s, within a minute of
	// LiveChat's retries, and a restarted broker gets as long to come up before the next restart.
	repairAfter = 3
)

// errDraining is the readiness of a process that has begun to stop.
var errDraining = errors.New("stopping")

// check is one thing a process needs.
type check struct {
	name  string
	run   func(ctx context.Context) error
	every time.Duration // while it passes, and nobody has asked; zero: each time
	at    time.Time     // when it last ran
}

// health watches what the process needs and repairs the broker in place when it can.
type health struct {
	checks  []check
	queues  func() error // whether the workers receive; asks nobody, so it is as new as its question
	bus     Bus
	log     *slog.Logger
	nudge   chan struct{}
	ctx     context.Context // ends with stop, which breaks off a check or a repair
	cancel  context.CancelFunc
	failing int // checks of the bus in a row that failed, since its last repair
	state   atomic.Pointer[map[string]error]
	gone    atomic.Bool
}

func newHealth(o Options) *health {
	every := func(paid bool) time.Duration {
		if paid {
			return paidEvery
		}
		return 0
	}
	return watching([]check{
		{name: "bus", run: o.Bus.Health, every: every(o.Bus.Paid)},
		{name: "store", run: o.Store.Health},
		{name: "blobs", run: o.Blobs.Health, every: every(o.Blobs.Paid())},
	}, o.Bus, o.Logger)
}

func watching(checks []check, bus Bus, log *slog.Logger) *health {
	h := &health{checks: checks, bus: bus, log: log, nudge: make(chan struct{}, 1)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.state.Store(&map[string]error{"start": errors.New("not checked yet")})
	return h
}

// Keep watches a bus that this process runs for others, and repairs it, until ctx ends.
func Keep(ctx context.Context, bus Bus, log *slog.Logger) {
	h := watching([]check{{name: "bus", run: bus.Health}}, bus, log)
	defer context.AfterFunc(ctx, h.cancel)()
	_ = h.run() // ends with ctx and never fails
}

// run checks until stop.
func (h *health) run() error {
	asked := false
	for {
		wait, nudge := checkEvery, h.nudge
		if !h.checkAll(asked) {
			wait, nudge = checkAgain, nil // a storm of failed publishes must not become a storm of checks
		}
		timer := time.NewTimer(wait)
		select {
		case <-h.ctx.Done():
			timer.Stop()
			return nil
		case <-nudge:
			timer.Stop()
			asked = true
		case <-timer.C:
			asked = false
		}
	}
}

func (h *health) stop(context.Context) error {
	h.cancel()
	return nil
}

// drain turns readiness false for the rest of the process's life.
func (h *health) drain() { h.gone.Store(true) }

// ready is nil, or what is wrong by name.
func (h *health) ready() map[string]error {
	if h.gone.Load() {
		return map[string]error{"process": errDraining}
	}
	wrong := *h.state.Load()
	if h.queues == nil {
		return wrong
	}
	if err := h.queues(); err != nil {
		wrong = maps.Clone(wrong)
		wrong["queues"] = err
	}
	return wrong
}

// suspect asks for a check now.
func (h *health) suspect() {
	select {
	case h.nudge <- struct{}{}:
	default: // one is waiting already
	}
}

// checkAll runs every check that failed last time or is due, all of them when somebody asked.
func (h *health) checkAll(asked bool) bool {
	wrong := map[string]error{}
	last := *h.state.Load()
	for i := range h.checks {
		c := &h.checks[i]
		if !asked && last[c.name] == nil && time.Since(c.at) < c.every {
			continue
		}
		c.at = time.Now()
		if err := h.check(*c); err != nil {
			wrong[c.name] = err
		}
	}
	if h.ctx.Err() != nil {
		return false // broken off: nothing was learnt
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
	h.judge(wrong)
	return len(wrong) == 0
}

// judge repairs the bus when it alone has been wrong for long enough.
func (h *health) judge(wrong map[string]error) {
	if wrong["bus"] == nil {
		h.failing = 0
		return
	}
	if h.failing++; h.failing >= repairAfter && len(wrong) == 1 && h.bus.Repair != nil {
		h.repair()
		h.failing = 0
	}
}

func (h *health) check(c check) error {
	ctx, cancel := context.WithTimeout(h.ctx, checkBound)
	defer cancel()
	return c.run(ctx)
}

// repair restarts the broker once the disk takes writes again (the other checks pass): after a full disk an embedded
// server publishes nothing until it is restarted.
func (h *health) repair() {
	ctx, cancel := context.WithTimeout(h.ctx, 10*checkBound)
	defer cancel()
	h.log.Warn("restarting the broker in place")
	if err := h.bus.Repair(ctx); err != nil {
		h.log.Error("restart the broker", "error", err)
	}
}

// watched reports every failed publish to health, so that readiness turns false within one check and not one interval.
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
