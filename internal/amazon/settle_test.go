package amazon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
)

// receiveAll fetches n messages of the queue history.
func receiveAll(t *testing.T, s *amazon.Source, n int) []lanes.Delivery {
	t.Helper()
	var all []lanes.Delivery
	for len(all) < n {
		all = append(all, fetch(t, s, 256)...)
	}
	return all
}

func TestSettleGoesInTensSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 95)
		s := openFake(t, f, amazon.Config{})
		var batch []lanes.Settlement
		for i, d := range receiveAll(t, s, 95) {
			batch = append(batch, lanes.Settlement{Receipt: d.Receipt, Action: lanes.Action(i % 2)})
		}
		begun := time.Now()
		if err := errors.Join(s.Settle(t.Context(), batch)...); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != latency {
			t.Errorf("ten calls of %s took %s", latency, took)
		}
		for _, op := range []string{"DeleteMessageBatch", "ChangeMessageVisibilityBatch"} {
			if n := len(f.called(op)); n != 5 {
				t.Errorf("%d calls of %s, want 5", n, op)
			}
		}
		if visible, hidden := f.count(queueName); visible+hidden != 47 {
			t.Errorf("%d messages are left, want the 47 that were handed back", visible+hidden)
		}
	})
}

func TestF9OnlyFailedEntriesAreSettledAgain(t *testing.T) {
	for op, action := range map[string]lanes.Action{
		"DeleteMessageBatch": lanes.Ack, "ChangeMessageVisibilityBatch": lanes.Delay,
	} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeSQS(t)
				fill(f, queueName, 10)
				s := openFake(t, f, amazon.Config{})
				got := receiveAll(t, s, 10)
				f.reject = func(_ sqsCall, e sqsEntry) string {
					if slices.Contains([]string{"1", "4", "9"}, e.ID) {
						return "InternalError"
					}
					return ""
				}
				var batch []lanes.Settlement
				for _, d := range got {
					batch = append(batch, lanes.Settlement{Receipt: d.Receipt, Action: action, After: 25 * time.Second})
				}
				for i, err := range s.Settle(t.Context(), batch) {
					if failed := i == 1 || i == 4 || i == 9; failed != (err != nil) {
						t.Errorf("entry %d answers %v", i, err)
					}
				}
				time.Sleep(27 * time.Second) // of the 30 that nothing but a settlement ends; the open receive of 20 is over
				if _, hidden := f.count(queueName); hidden != 3 {
					t.Errorf("%d messages are hidden, want the three that failed", hidden)
				}
			})
		})
	}
}

// The engine settles again what failed, and nothing else.
func TestF9EngineRepeatsOnlyFailedDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 10)
		failed := map[string]bool{}
		f.reject = func(c sqsCall, e sqsEntry) string {
			if c.Op == "DeleteMessageBatch" && len(failed) < 3 {
				failed[e.ReceiptHandle] = true
				return "InternalError"
			}
			return ""
		}
		e := fakeEngine(t, f, amazon.Config{}, nil)
		if started := e.drain(t, f, queueName, handled); len(started) != 10 {
			t.Errorf("%d messages", len(started))
		}
		e.stop(t)
		calls := f.called("DeleteMessageBatch")
		again := calls[len(calls)-1].Entries
		if len(calls) != 2 || len(again) != 3 || slices.ContainsFunc(again, func(e sqsEntry) bool { return !failed[e.ReceiptHandle] }) {
			t.Errorf("%d calls; the last one of %v, want those of %v", len(calls), again, failed)
		}
		if visible, hidden := f.count(queueName); visible+hidden != 0 {
			t.Errorf("%d messages are left", visible+hidden)
		}
	})
}

func TestReceiptsThatAreOverAreHarmless(t *testing.T) {
	for code, gone := range map[string]bool{
		"ReceiptHandleIsInvalid": true, "InvalidParameterValue": true, "InvalidParameterValueException": true,
		"AWS.SimpleQueueService.MessageNotInflight": true, "MessageNotInflight": true,
		"InternalError": false, "RequestThrottled": false, unanswered: false,
	} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeSQS(t)
				fill(f, queueName, 1)
				s := openFake(t, f, amazon.Config{})
				d := receiveAll(t, s, 1)[0]
				f.reject = func(sqsCall, sqsEntry) string { return code }
				for what, err := range map[string]error{
					"ack":    s.Settle(t.Context(), []lanes.Settlement{{Receipt: d.Receipt, Action: lanes.Ack}})[0],
					"delay":  s.Settle(t.Context(), []lanes.Settlement{{Receipt: d.Receipt, Action: lanes.Delay}})[0],
					"extend": s.Extend(t.Context(), []lanes.Receipt{d.Receipt})[0],
				} {
					if err == nil || errors.Is(err, lanes.ErrGone) != gone {
						t.Errorf("%s answers %v", what, err)
					}
				}
			})
		})
	}
}

func TestCallsThatFailFailTheirEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 20)
		s := openFake(t, f, amazon.Config{})
		var batch []lanes.Settlement
		for _, d := range receiveAll(t, s, 20) {
			batch = append(batch, lanes.Settlement{Receipt: d.Receipt, Action: lanes.Ack})
		}
		first := batch[0].Receipt
		f.refuse(func(c sqsCall) error {
			if len(c.Entries) > 0 && c.Entries[0].ReceiptHandle == "m-t-history-0#1" {
				return errCut
			}
			return nil
		})
		errs := s.Settle(t.Context(), batch)
		for i, err := range errs {
			if (err != nil) != (i < 10) || errors.Is(err, lanes.ErrGone) {
				t.Errorf("entry %d answers %v", i, err)
			}
		}
		f.refuse(nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Extend(ctx, []lanes.Receipt{first})[0]; err == nil {
			t.Error("extend after the end of its context answers nil")
		}
	})
}

func TestDelaysAreSecondsRoundedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 1)
		s := openFake(t, f, amazon.Config{})
		d := receiveAll(t, s, 1)[0]
		time.Sleep(10 * time.Second)
		for after, want := range map[time.Duration]int{
			0: 0, -time.Second: 0, time.Nanosecond: 1, time.Second: 1, 1500 * time.Millisecond: 2, 5 * time.Minute: 300,
			24 * time.Hour: 12*3600 - 11, // SQS hides one delivery for 12 hours, 10 s of which are over
		} {
			s.Settle(t.Context(), []lanes.Settlement{{Receipt: d.Receipt, Action: lanes.Delay, After: after}})
			calls := f.called("ChangeMessageVisibilityBatch")
			if got := calls[len(calls)-1].Entries[0].VisibilityTimeout; got != want {
				t.Errorf("a delay of %s becomes %d s, want %d", after, got, want)
			}
		}
	})
}

func TestExtensionEndsAfterTheStatedMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 1)
		s := openFake(t, f, amazon.Config{})
		old := receiveAll(t, s, 1)[0].Receipt
		time.Sleep(amazon.HeldMost + time.Second)
		f.put(queueName, fakeMessage{body: "young"})
		var young lanes.Receipt
		for _, d := range receiveAll(t, s, 1) {
			young = d.Receipt
		}
		errs := s.Extend(t.Context(), []lanes.Receipt{old, young})
		if !errors.Is(errs[0], lanes.ErrGone) || errs[1] != nil {
			t.Errorf("extend answers %v", errs)
		}
		calls := f.called("ChangeMessageVisibilityBatch")
		if len(calls) != 1 || len(calls[0].Entries) != 1 || calls[0].Entries[0].VisibilityTimeout != int(amazon.Visibility.Seconds()) {
			t.Errorf("calls %v, want one for the young one", fmt.Sprint(calls))
		}
	})
}
