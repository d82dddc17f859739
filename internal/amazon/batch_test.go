package amazon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/messages"
)

const roundTrip = 10 * time.Millisecond

// wire is a destination that confirms every call after a round trip, or does what answer says.
type wire struct {
	answer func(batch []string) []error // nil: all are confirmed

	mu        sync.Mutex
	calls     [][]string // names of the entries, in the order of the calls
	times     []time.Time
	open      int
	most      int // calls under way at once
	confirmed []string
}

func (w *wire) send(ctx context.Context, batch []entry) []error {
	names := make([]string, len(batch))
	for i, e := range batch {
		names[i] = e.wire.UUID
	}
	w.mu.Lock()
	w.calls = append(w.calls, names)
	w.times = append(w.times, time.Now())
	w.open++
	w.most = max(w.most, w.open)
	w.mu.Unlock()
	errs := make([]error, len(batch))
	select {
	case <-time.After(roundTrip):
	case <-ctx.Done():
		errs = newAnswers(len(batch), ctx.Err())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	if w.answer != nil && ctx.Err() == nil {
		errs = w.answer(names)
	}
	for i, err := range errs {
		if err == nil {
			w.confirmed = append(w.confirmed, names[i])
		}
	}
	return errs
}

// sent is how often each entry went over the wire.
func (w *wire) sent() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for _, name := range slices.Concat(w.calls...) {
		n[name]++
	}
	return n
}

func (w *wire) batcher() *batcher { return newBatcher("topic test", w.send, maxMessage, 0, false) }

func (w *wire) orderedBatcher() *batcher {
	return newBatcher("topic test", w.send, maxMessage, 0, true)
}

// one is an entry of 500 bytes whose caller waits for 3 s.
func one(t *testing.T, name, group string) entry {
	ctx, cancel := context.WithTimeout(t.Context(), publishTimeout)
	t.Cleanup(cancel)
	return entry{ctx: ctx, wire: message.NewMessage(name, nil), size: 500, group: group}
}

func several(t *testing.T, n int) []entry {
	entries := make([]entry, n)
	for i := range entries {
		entries[i] = one(t, strconv.Itoa(i), "")
	}
	return entries
}

func each(batch []string, err func(name string) error) []error {
	errs := make([]error, len(batch))
	for i, name := range batch {
		errs[i] = err(name)
	}
	return errs
}

func TestIdleCallerWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, start := (&wire{}).batcher(), time.Now()
		for range 3 {
			if err := b.publish(several(t, 1)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 3*roundTrip {
			t.Errorf("three events took %v, want three round trips", took)
		}
	})
}

// What does not fill a batch waits for a call under way, so that it has company.
func TestFullBatchesLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, start := &wire{}, time.Now()
		if err := w.batcher().publish(several(t, 25)); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 0, roundTrip}
		for i, at := range w.times {
			if at.Sub(start) != want[i] {
				t.Errorf("call %d of %d entries left after %v, want %v", i, len(w.calls[i]), at.Sub(start), want[i])
			}
		}
		if len(w.calls) != 3 || len(w.calls[2]) != 5 {
			t.Errorf("calls %v, want 10, 10 and 5 entries", w.calls)
		}
	})
}

func TestConcurrentCallersShareCalls(t *testing.T) {
	for _, test := range []struct {
		callers int
		most    float64 // calls per event
	}{{1, 1}, {2, 1}, {8, 0.3}, {64, 0.11}, {256, 0.11}} {
		t.Run(strconv.Itoa(test.callers)+" callers", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const each = 100
				w := &wire{}
				b := w.batcher()
				var callers sync.WaitGroup
				for range test.callers {
					callers.Go(func() {
						for range each {
							if err := b.publish(several(t, 1)); err != nil {
								t.Error(err)
							}
						}
					})
				}
				callers.Wait()
				got := float64(len(w.calls)) / float64(test.callers*each)
				t.Logf("%.3f calls per event", got)
				if got > test.most {
					t.Errorf("%.3f calls per event, want %.2f at most", got, test.most)
				}
			})
		})
	}
}

// A call that hangs must not hold up what others publish.
func TestPartialBatchWaitsForAHungCallOnlyBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		send := func(ctx context.Context, batch []entry) []error {
			if first {
				first = false
				<-ctx.Done()
			}
			return make([]error, len(batch))
		}
		b := newBatcher("topic test", send, maxMessage, 0, false)
		var hung sync.WaitGroup
		hung.Go(func() { _ = b.publish(several(t, 1)) })
		synctest.Wait()
		start := time.Now()
		if err := b.publish(several(t, 1)); err != nil || time.Since(start) != patience {
			t.Errorf("got %v after %v, want it confirmed after %v", err, time.Since(start), patience)
		}
		hung.Wait()
	})
}

func TestLingerCollectsCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const linger = 30 * time.Millisecond
		w, start := &wire{}, time.Now()
		b := newBatcher("topic test", w.send, maxMessage, linger, false)
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() {
				time.Sleep(time.Duration(i) * roundTrip)
				if err := b.publish(several(t, 1)); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if len(w.calls) != 1 || w.times[0].Sub(start) != linger {
			t.Errorf("calls %v at %v, want one after the linger of the first", w.calls, w.times)
		}
		start = time.Now()
		if err := b.publish(several(t, maxBatch)); err != nil || time.Since(start) != roundTrip {
			t.Errorf("a full batch took %v: it must not linger", time.Since(start))
		}
	})
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		if err := w.batcher().publish(several(t, 1000)); err != nil {
			t.Fatal(err)
		}
		if w.most != maxCalls || len(w.calls) != 100 {
			t.Errorf("%d calls, %d at once; want 100, %d at once", len(w.calls), w.most, maxCalls)
		}
	})
}

// F10: ten events of 200 KiB at once are ten calls, and none is refused for the size of its batch.
func TestF10BatchesAreCutByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sizes := map[string]int{}
		w := &wire{answer: func(batch []string) []error {
			total := 0
			for _, name := range batch {
				total += sizes[name]
			}
			return each(batch, func(string) error {
				if total > maxMessage {
					return errors.New("BatchRequestTooLong")
				}
				return nil
			})
		}}
		for _, test := range []struct{ size, calls int }{{200 << 10, 10}, {100 << 10, 5}, {maxMessage, 10}, {maxMessage / 10, 1}} {
			w.calls = nil
			entries := several(t, maxBatch)
			for i := range entries {
				entries[i].size = test.size
				sizes[entries[i].wire.UUID] = test.size
			}
			if err := w.batcher().publish(entries); err != nil || len(w.calls) != test.calls {
				t.Errorf("ten of %d bytes: %v in %d calls, want %d", test.size, err, len(w.calls), test.calls)
			}
		}
	})
}

// F9: three of ten fail, so three are sent again.
func TestF9OnlyFailedEntriesAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := map[string]bool{"2": true, "5": true, "7": true}
		w := &wire{answer: func(batch []string) []error {
			return each(batch, func(name string) error {
				if failed[name] {
					delete(failed, name)
					return errors.New("AWS answers InternalError")
				}
				return nil
			})
		}}
		if err := w.batcher().publish(several(t, 10)); err != nil {
			t.Fatal(err)
		}
		for name, times := range w.sent() {
			if want := 1 + strings.Count("2 5 7", name); times != want {
				t.Errorf("entry %s was sent %d times, want %d", name, times, want)
			}
		}
	})
}

// publishEach lets every entry have a caller of its own, at once.
func publishEach(b *batcher, entries ...entry) map[string]error {
	errs := make([]error, len(entries))
	names := make([]string, len(entries))
	var callers sync.WaitGroup
	for i, e := range entries {
		names[i] = e.wire.UUID
		callers.Go(func() { errs[i] = b.publish([]entry{e}) })
	}
	callers.Wait()
	got := map[string]error{}
	for i, name := range names {
		got[name] = errs[i]
	}
	return got
}

// F9: the right caller sees the error, with its kind: a refusal is final at once, anything else is tried until the
// caller's deadline and is an outage then.
func TestF9EachCallerGetsItsOwnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(batch []string) []error {
			return each(batch, func(name string) error {
				switch name {
				case "3":
					return entryError("InvalidParameter", true)
				case "6":
					return entryError("InternalError", false)
				}
				return nil
			})
		}}
		got := publishEach(w.batcher(), several(t, 10)...)
		for name, err := range got {
			var final *messages.PermanentError
			switch {
			case name == "3" && errors.As(err, &final) && final.Reason == messages.ReasonRefused:
			case name == "6" && messages.IsUnavailable(err) && strings.Contains(err.Error(), "InternalError"):
			case name != "3" && name != "6" && err == nil:
			default:
				t.Errorf("caller %s got %v", name, err)
			}
		}
		if sent := w.sent(); sent["3"] != 1 || sent["6"] < 4 || sent["0"] != 1 {
			t.Errorf("sent %v, want the refused one once and the failing one again and again", sent)
		}
	})
}

// A call that AWS refuses as a whole is the fault of one entry, and the others must not share its fate.
func TestRefusedCallIsTriedEntryByEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(batch []string) []error {
			return each(batch, func(string) error {
				switch {
				case !slices.Contains(batch, "4"):
					return nil
				case len(batch) > 1:
					return errAlone
				default:
					return messages.Permanent(messages.ReasonRefused, errors.New("AWS answers InvalidParameter"))
				}
			})
		}}
		for name, err := range publishEach(w.batcher(), several(t, 10)...) {
			if (err != nil) != (name == "4") {
				t.Errorf("caller %s got %v", name, err)
			}
		}
		if sent := w.sent(); sent["4"] != 2 && sent["4"] != 1 {
			t.Errorf("the refused one was sent %d times", sent["4"])
		}
	})
}

// F9: whatever fails, a group's next event leaves only after its previous one is confirmed.
func TestF9OrderOfAGroupSurvivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const groups, events = 5, 40
		tries := map[string]int{}
		w := &wire{}
		w.answer = func(batch []string) []error {
			inBatch := map[string]bool{}
			return each(batch, func(name string) error {
				group, _, _ := strings.Cut(name, "-")
				if inBatch[group] {
					t.Errorf("two events of a group in one call: %v", batch)
				}
				inBatch[group] = true
				if tries[name]++; tries[name] <= int(name[len(name)-1])%3 { // the first, the first two, or none
					return errors.New("AWS answers InternalError")
				}
				return nil
			})
		}
		b := w.orderedBatcher()
		var callers sync.WaitGroup
		for g := range groups {
			callers.Go(func() {
				for i := 0; i < events; i += 4 { // several in one call of Publish, several calls one after the other
					var entries []entry
					for j := range 4 {
						entries = append(entries, one(t, fmt.Sprintf("%d-%03d", g, i+j), strconv.Itoa(g)))
					}
					if err := b.publish(entries); err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		last := map[string]string{}
		for _, name := range w.confirmed {
			group, _, _ := strings.Cut(name, "-")
			if name <= last[group] {
				t.Errorf("%s was confirmed after %s", name, last[group])
			}
			last[group] = name
		}
		if len(w.confirmed) != groups*events {
			t.Errorf("%d confirmed, want %d", len(w.confirmed), groups*events)
		}
	})
}

// Groups of ordered entries go side by side, whoever publishes them.
func TestGroupsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		b := w.orderedBatcher()
		var entries []entry
		for i := range 100 {
			entries = append(entries, one(t, strconv.Itoa(i), strconv.Itoa(i%50)))
		}
		if err := b.publish(entries); err != nil {
			t.Fatal(err)
		}
		if len(w.calls) != 10 {
			t.Errorf("%d calls for 50 groups of two, want 10", len(w.calls))
		}
	})
}
