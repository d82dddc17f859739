package amazon

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/messages"
)

var errThrottledTest = errors.New("AWS answers ThrottledException")

func (w *wire) always(err error) {
	w.answer = func(batch []string) []error { return each(batch, func(string) error { return err }) }
}

// A destination that throttles is asked again after growing, jittered delays, and the caller gets its answer in time.
func TestThrottledEntriesComeBackWithGrowingDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		w.always(errThrottledTest)
		start := time.Now()
		err := w.batcher().publish(several(t, 1))
		if !messages.IsUnavailable(err) || !errors.Is(err, errThrottledTest) || time.Since(start) != publishTimeout {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if n := len(w.times); n < 4 || n > 9 { // 50 ms doubling to 1 s within 3 s
			t.Errorf("%d tries in 3 s", n)
		}
		for i, lowest := range []time.Duration{25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond} {
			if gap := w.times[i+1].Sub(w.times[i]) - roundTrip; gap < lowest || gap > 3*lowest { // the nominal delay, half of it random
				t.Errorf("delay %d is %v", i, gap)
			}
		}
	})
}

// F17: a destination that swallows everything costs its callers their deadline and nothing more. The bubble fails the
// test if a goroutine stays.
func TestF17BlackHoleIsBoundedByTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hole := func(ctx context.Context, batch []entry) []error {
			<-ctx.Done()
			return newAnswers(len(batch), ctx.Err())
		}
		b := newBatcher("topic test", hole, maxMessage, 0, false)
		start := time.Now()
		entries := several(t, 1000) // of which 160 at most are under way
		for name, err := range publishEach(b, entries...) {
			if !messages.IsUnavailable(err) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("caller %s got %v", name, err)
			}
		}
		if took := time.Since(start); took != publishTimeout {
			t.Errorf("callers waited %v, want %v", took, publishTimeout)
		}
		synctest.Wait()
		b.mu.Lock()
		waiting, open := len(b.ready), b.calls
		b.mu.Unlock()
		if waiting > 0 || open > 0 {
			t.Errorf("%d entries and %d calls are left behind", waiting, open)
		}
	})
}

// A call that hangs is given up in time for another try.
func TestHungCallIsTriedAgainWithinTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := newBatcher("topic test", func(ctx context.Context, batch []entry) []error {
			if calls++; calls > 1 {
				return make([]error, len(batch))
			}
			<-ctx.Done()
			return newAnswers(len(batch), ctx.Err())
		}, maxMessage, 0, false)
		if err := b.publish(several(t, 1)); err != nil || calls != 2 {
			t.Errorf("got %v after %d calls", err, calls)
		}
	})
}

// A caller goes away while its entry, the first of a batch, is under way with others.
func TestCancelledCallerBreaksNobodysBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		b := newBatcher("topic test", w.send, maxMessage, roundTrip, false)
		leaving := one(t, "leaving", "")
		ctx, cancel := context.WithCancel(leaving.ctx)
		leaving.ctx = ctx
		var callers sync.WaitGroup
		callers.Go(func() {
			if err := b.publish([]entry{leaving}); !errors.Is(err, context.Canceled) {
				t.Errorf("the caller that left got %v", err)
			}
		})
		synctest.Wait()
		callers.Go(func() {
			for name, err := range publishEach(b, several(t, 8)...) {
				if err != nil {
					t.Errorf("caller %s got %v", name, err)
				}
			}
		})
		time.Sleep(roundTrip * 3 / 2)
		cancel()
		callers.Wait()
		if len(w.calls) != 1 || len(w.calls[0]) != 9 {
			t.Errorf("calls %v, want one with all nine", w.calls)
		}
	})
}

// The caller hears why its entry failed, also when its time is over amid a try that hears nothing.
func TestTryCutShortDoesNotHideWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		b := newBatcher("topic test", func(ctx context.Context, batch []entry) []error {
			if tries++; tries > 1 {
				<-ctx.Done()
				return newAnswers(len(batch), ctx.Err())
			}
			return newAnswers(len(batch), errThrottledTest)
		}, maxMessage, 0, false)
		err := b.publish(several(t, 1))
		if !messages.IsUnavailable(err) || !errors.Is(err, errThrottledTest) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// What nobody waits for any longer is not sent again.
func TestEntryOfACallerThatLeftIsDroppedFromTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		w.always(errThrottledTest)
		b := w.batcher()
		leaving := one(t, "leaving", "")
		ctx, cancel := context.WithTimeout(t.Context(), roundTrip+retryFirst/4)
		defer cancel()
		leaving.ctx = ctx
		if err := b.publish([]entry{leaving}); !messages.IsUnavailable(err) || !errors.Is(err, errThrottledTest) {
			t.Errorf("got %v, want the outage with what was last heard", err)
		}
		time.Sleep(publishTimeout)
		if n := w.sent()["leaving"]; n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
}

// Under FIFO the next of a group goes as soon as the one before has ended, and its caller's time is not spent on it.
func TestFollowerGoesWhenTheHeadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(batch []string) []error {
			return each(batch, func(name string) error {
				if name == "head" {
					return errThrottledTest
				}
				return nil
			})
		}}
		b := w.orderedBatcher()
		head := one(t, "head", "g")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		head.ctx = ctx
		var first sync.WaitGroup
		first.Go(func() {
			if err := b.publish([]entry{head}); !messages.IsUnavailable(err) {
				t.Errorf("the head got %v", err)
			}
		})
		synctest.Wait()
		start := time.Now()
		for i := range 3 {
			if err := b.publish([]entry{one(t, strconv.Itoa(i), "g")}); err != nil {
				t.Errorf("follower %d got %v", i, err)
			}
		}
		first.Wait()
		if took := time.Since(start); took > time.Second {
			t.Errorf("three followers took %v", took)
		}
	})
}

// The events of one call of Publish keep their order even when one of them can never be sent: what comes after it in
// its lane must not overtake the retry of the whole call.
func TestNothingNewLeavesAfterAnErrorOfTheSameCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(batch []string) []error {
			return each(batch, func(name string) error {
				if name == "b" {
					return messages.Permanent(messages.ReasonRefused, errors.New("AWS answers InvalidParameter"))
				}
				return nil
			})
		}}
		b := w.orderedBatcher()
		err := b.publish([]entry{one(t, "a", "g"), one(t, "b", "g"), one(t, "c", "g"), one(t, "d", "other")})
		var final *messages.PermanentError
		if !errors.As(err, &final) {
			t.Errorf("got %v", err)
		}
		if err := b.publish([]entry{one(t, "e", "g")}); err != nil {
			t.Errorf("the group stays closed: %v", err)
		}
		synctest.Wait()
		if got := strings.Join(w.confirmed, ""); got != "ade" {
			t.Errorf("confirmed %q, want a, d and e", got)
		}
	})
}

func TestRefusalStopsWhatIsNotUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		b := newBatcher("topic test", func(ctx context.Context, batch []entry) []error {
			if batch[0].wire.UUID != "0" {
				return w.send(ctx, batch)
			}
			refused := make([]error, len(batch))
			refused[0] = messages.Permanent(messages.ReasonRefused, errors.New("AWS answers InvalidParameter"))
			return refused
		}, maxMessage, 0, false)
		err := b.publish(several(t, 2*maxBatch*maxCalls))
		var final *messages.PermanentError
		if !errors.As(err, &final) {
			t.Errorf("got %v", err)
		}
		if err := b.close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(w.sent()); n != maxBatch*(maxCalls-1) {
			t.Errorf("%d entries were sent, want the %d that were under way", n, maxBatch*(maxCalls-1))
		}
	})
}

func TestCloseSendsWhatWaitsAndRefusesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		b := newBatcher("topic test", w.send, maxMessage, time.Second, false)
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() {
				if err := b.publish([]entry{one(t, strconv.Itoa(i), "")}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		for range 2 {
			if err := b.close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != roundTrip {
			t.Errorf("closing took %v, want a round trip and no linger", took)
		}
		callers.Wait()
		if err := b.publish(several(t, 1)); !messages.IsUnavailable(err) || !errors.Is(err, errClosed) {
			t.Errorf("after closing: %v", err)
		}
	})
}

// A bus whose broker hangs must still stop.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		w.always(errThrottledTest)
		b := w.batcher()
		var caller sync.WaitGroup
		caller.Go(func() { _ = b.publish(several(t, 1)) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		caller.Wait()
	})
}
