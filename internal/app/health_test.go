package app

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// watch runs health over one bus in virtual time until the test is over.
func watch(t *testing.T, bus Bus, test func(h *health)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := watching([]check{{name: "bus", run: bus.Health}}, bus, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- h.run() }()
		test(h)
		began := time.Now()
		if err := h.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("stopped after %s", took)
		}
	})
}

// TestOneLateProbeRestartsNothing: a disk that is slow for a moment is no reason to take the broker away from everybody
// who publishes; one that stays broken is.
func TestOneLateProbeRestartsNothing(t *testing.T) {
	var broken atomic.Bool
	var repairs atomic.Int64
	bus := Bus{
		Health: func(context.Context) error {
			if broken.Load() {
				return errors.New("no answer in time")
			}
			return nil
		},
		Repair: func(context.Context) error { repairs.Add(1); return nil },
	}
	watch(t, bus, func(h *health) {
		synctest.Wait()
		broken.Store(true)
		h.suspect()
		synctest.Wait()
		if len(h.ready()) == 0 {
			t.Error("ready although the bus does not answer")
		}
		broken.Store(false)
		time.Sleep(time.Minute)
		if n := repairs.Load(); n != 0 {
			t.Errorf("the broker was restarted %d times for one late answer", n)
		}
		broken.Store(true)
		time.Sleep(15 * time.Second)
		if repairs.Load() == 0 {
			t.Error("the broker was not restarted although it answers no more")
		}
		before := repairs.Load()
		time.Sleep(time.Minute)
		if n := repairs.Load() - before; n < 2 || n > 30 {
			t.Errorf("%d restarts in a minute, want some, with time between them to come up", n)
		}
	})
}

// TestStopInterruptsARepair: a recovery may take longer than a stop is given.
func TestStopInterruptsARepair(t *testing.T) {
	bus := Bus{
		Health: func(context.Context) error { return errors.New("broken") },
		Repair: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}
	watch(t, bus, func(*health) { time.Sleep(10 * time.Second) })
}

// TestKeepRepairsABusAlone: the broker of other processes has to come back from a full disk by itself too.
func TestKeepRepairsABusAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		repairs := 0
		Keep(ctx, Bus{
			Health: func(context.Context) error { return errors.New("no write since the disk was full") },
			Repair: func(context.Context) error {
				if repairs++; repairs == 2 {
					cancel()
				}
				return errors.New("still no room")
			},
		}, slog.New(slog.DiscardHandler))
		if repairs != 2 {
			t.Errorf("%d repairs, want one after the other", repairs)
		}
	})
}

// TestStopLeavesADeafPartBehind: a part that hangs does not hold the process beyond its grace.
func TestStopLeavesADeafPartBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		p := &process{Options: Options{Grace: 20 * time.Second}, log: log, health: watching(nil, Bus{}, log)}
		answers := make(chan struct{})
		defer close(answers)
		p.run("disk", func() error { <-answers; return nil })
		began := time.Now()
		err := p.stop()
		if took := time.Since(began); err == nil || took >= p.Grace {
			t.Errorf("stopped after %s with %v, want an error within %s", took, err, p.Grace)
		}
	})
}

// TestQueuesAreAskedWhenReadinessIs: what the workers know of their queues costs nothing to ask, so it waits for no round of checks.
func TestQueuesAreAskedWhenReadinessIs(t *testing.T) {
	var gone atomic.Bool
	watch(t, Bus{Health: func(context.Context) error { return nil }}, func(h *health) {
		h.queues = func() error {
			if gone.Load() {
				return errors.New("receive from queue history: no such queue")
			}
			return nil
		}
		synctest.Wait()
		for _, want := range []bool{false, true, false} {
			gone.Store(want)
			if got := h.ready()["queues"] != nil; got != want || len(h.ready()) > 1 {
				t.Errorf("not ready: %v, want the queues in it: %t", h.ready(), want)
			}
		}
	})
}

// TestPaidChecksAreRareWhileAllIsWell: once a minute, at once when a publish has failed, and each second until it passes
// again. What costs nothing is asked every five seconds all the while.
func TestPaidChecksAreRareWhileAllIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var paid, free atomic.Int64
		var broken atomic.Bool
		h := watching([]check{
			{name: "bus", every: paidEvery, run: func(context.Context) error {
				paid.Add(1)
				if broken.Load() {
					return errors.New("no answer")
				}
				return nil
			}},
			{name: "store", run: func(context.Context) error { free.Add(1); return nil }},
		}, Bus{}, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		count := func(what string, begin func(), during time.Duration, wantPaid, wantFree int64) {
			t.Helper()
			paid.Store(0)
			free.Store(0)
			begin()
			time.Sleep(during)
			synctest.Wait()
			if p, f := paid.Load(), free.Load(); p != wantPaid || f != wantFree {
				t.Errorf("%s: %d paid checks and %d free ones, want %d and %d", what, p, f, wantPaid, wantFree)
			}
		}
		count("the first hour", func() { go func() { ended <- h.run() }() }, time.Hour, 61, 721)
		time.Sleep(time.Second)
		count("a publish failed", h.suspect, time.Millisecond, 1, 1)
		broken.Store(true)
		count("it is down", h.suspect, 10*time.Second+time.Millisecond, 11, 11)
		broken.Store(false)
		time.Sleep(time.Second)
		count("well again", func() {}, time.Minute, 1, 12)
		if err := errors.Join(h.stop(t.Context()), <-ended); err != nil {
			t.Error(err)
		}
	})
}
