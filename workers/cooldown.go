package workers

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	firstCooldown = time.Second
	maxCooldown   = 5 * time.Minute
	// patience is how many bad answers in a row close a destination. One event that it chokes on must not hold up the
	// events beside it; five without a single good one between them are no accident.
	patience = 5
	// probeWait is when to ask again while a probe is under way or all turns are taken.
	probeWait = time.Second
)

// cooldown is a destination's own clock. While it cools down no event is sent to it; then a single probe goes, and what
// comes of it opens the destination or makes the next wait longer. A circuit breaker of gobreaker has one fixed wait, so
// this is a small one around the growing, jittered waits of backoff.
type cooldown struct {
	mu       sync.Mutex
	waits    *backoff.ExponentialBackOff
	until    time.Time // when the next probe may go; zero: open
	probing  bool
	bad      int // bad answers in a row
	underWay int
	parallel int
}

func newCooldown(parallel int) *cooldown {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval, waits.Multiplier, waits.RandomizationFactor = firstCooldown, maxCooldown, 2, 0.3
	waits.Reset()
	return &cooldown{waits: waits, parallel: parallel}
}

// turn is the right to make one call. Exactly one of well, busy, unreachable or hold says what came of it; leave gives
// the turn back, and without any of them nothing is learnt.
type turn struct {
	of    *cooldown
	probe bool
}

// enter gives a turn, or says how long to wait for one.
func (c *cooldown) enter(now time.Time) (*turn, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case now.Before(c.until):
		return nil, spread(c.until.Sub(now))
	case c.probing, c.underWay >= c.parallel:
		return nil, spread(probeWait)
	}
	c.probing = !c.until.IsZero()
	c.underWay++
	return &turn{of: c, probe: c.probing}, 0
}

// spread adds up to a tenth, so that what waited together does not come together.
func spread(d time.Duration) time.Duration { return d + rand.N(d/10+1) }

// leave gives the turn back.
func (t *turn) leave() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.of.underWay--
	if t.probe {
		t.of.probing = false
	}
}

// well says that the destination works: it opens.
func (t *turn) well() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.of.until, t.of.bad = time.Time{}, 0
	t.of.waits.Reset()
}

// unreachable says that there was no answer: the destination closes at once. It returns how long to wait.
func (t *turn) unreachable(now time.Time) time.Duration {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.cool(now)
	return spread(t.of.until.Sub(now))
}

// busy says that the answer was a bad one.
func (t *turn) busy(now time.Time) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.of.bad++; t.of.bad >= patience || t.probe {
		t.cool(now)
	}
}

// hold closes the destination for as long as it asked. It returns how long to wait.
func (t *turn) hold(now time.Time, wait time.Duration) time.Duration {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if until := now.Add(wait); until.After(t.of.until) {
		t.of.until = until
	}
	return spread(t.of.until.Sub(now))
}

// cool closes the destination. Calls that were under way together are one failure, so only the first of them, or a
// probe, makes the wait grow.
func (t *turn) cool(now time.Time) {
	if now.Before(t.of.until) && !t.probe {
		return
	}
	t.of.until = now.Add(t.of.waits.NextBackOff())
}
