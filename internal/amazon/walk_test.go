package amazon_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/bus"
)

const deadName = "t-history-dead"

func fakeDeadLetters(t *testing.T, f *fakeSQS) *amazon.DeadLetters {
	return amazon.Bare(amazon.Config{
		AWS: f.config(), Prefix: "t", Logger: testLogger(t), Queues: []amazon.Queue{{Name: "history"}},
	}).DeadLetters()
}

// Events that die again as soon as they are redriven must not keep a redrive going for ever.
func TestWalkEndsAlthoughLettersComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, deadName, 1)
		visited := 0
		_, err := fakeDeadLetters(t, f).Redrive(t.Context(), "history", bus.Redrive{Pick: func(bus.DeadLetter) bool {
			time.Sleep(time.Second)
			fill(f, deadName, 1)
			visited++
			if visited == 100 {
				t.Fatal("it goes on and on")
			}
			return false
		}})
		if visible, _ := f.count(deadName); err != nil || visible != visited+1 {
			t.Errorf("%d visited, %d visible, %v", visited, visible, err)
		}
	})
}

// A slow walk extends what it holds. What it loses nevertheless it sees again, and visits once.
func TestSlowWalkVisitsOnceAndHandsBackAll(t *testing.T) {
	for name, pace := range map[string]struct {
		each     time.Duration // ten of them between two receives
		receives int           // of one message
	}{
		"slower than half a lease": {8 * time.Second, 1}, "slower than a lease": {20 * time.Second, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeSQS(t)
				fill(f, deadName, 35)
				visited := map[string]int{}
				_, err := fakeDeadLetters(t, f).Redrive(t.Context(), "history", bus.Redrive{Pick: func(l bus.DeadLetter) bool {
					time.Sleep(pace.each)
					visited[l.ID]++
					return false
				}})
				if n := f.mostReceived(deadName); n != pace.receives {
					t.Errorf("one was received %d times, want %d", n, pace.receives)
				}
				visible, hidden := f.count(deadName)
				if err != nil || len(visited) != 35 || most(visited) != 1 || visible != 35 || hidden != 0 {
					t.Errorf("%d visited, at most %d times, %d visible and %d hidden, %v",
						len(visited), most(visited), visible, hidden, err)
				}
			})
		})
	}
}

func TestWalkSaysWhatItCannotSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, deadName, 15)
		receives := 0
		f.refuse(func(c sqsCall) error {
			if c.Op == "ReceiveMessage" {
				if receives++; receives > 1 {
					return errCut
				}
			}
			return nil
		})
		d := fakeDeadLetters(t, f)
		if got, err := d.List(t.Context(), "history", 100); err == nil {
			t.Errorf("%d listed of a queue that cannot be read", len(got))
		}
		if visible, _ := f.count(deadName); visible != 15 {
			t.Errorf("%d visible", visible)
		}
	})
}
