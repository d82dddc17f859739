package app

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// share is a part of the grace, in twentieths. Whoever sends the signal waits for all of it and then kills, so every step
// has an end of its own, and what follows the last of them still fits. With the default of 20 s one is a second.
func (p *process) share(twentieths int) time.Duration {
	return p.Grace / 20 * time.Duration(twentieths)
}

const (
	untilDrained  = 10 // callers are answered or cut off: what was accepted must still be handled or handed back
	untilHandled  = 13 // handlers are told to return
	forSettling   = 3  // what they leave goes back to its queue
	forLettingGo  = 1  // of handlers that did not return all the same
	untilClosed   = 17 // whoever still asks the admin address is cut off
	untilReturned = 18 // every part has returned; the rest is for the bus, the files and the store, which cmd closes
)

// stop runs the cleanups in reverse and waits for every part, within the grace.
func (p *process) stop() error {
	p.stopped = time.Now()
	ctx, cancel := p.until(untilClosed)
	defer cancel()
	p.health.drain()
	var failed []error
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		step := p.cleanups[i]
		begun := time.Now()
		err := step.run(ctx)
		p.log.Info("stopped", "part", step.name, "took", time.Since(begun).Round(time.Millisecond))
		if err != nil {
			failed = append(failed, fmt.Errorf("stop %s: %w", step.name, err))
		}
	}
	return errors.Join(append(failed, p.wait())...)
}

// until gives a context that ends so many twentieths of the grace after the stop began.
func (p *process) until(twentieths int) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.Background(), p.stopped.Add(p.share(twentieths)))
}

// wait waits for every part. One that hangs, on a disk that does not answer say, must not hold the process for ever:
// what it was doing is as unfinished as after a kill, which nothing accepted is lost by.
func (p *process) wait() error {
	ctx, cancel := p.until(untilReturned)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.parts.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("stop: a part does not return")
	}
}
