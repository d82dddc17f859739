package amazon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/lanes"
)

// The queue of most tests, in full: t-history of the fake.
const queueName, fifoName = "t-history", "t-history.fifo"

// openFake opens the queue history of the fake.
func openFake(t *testing.T, f *fakeSQS, cfg amazon.Config) *amazon.Source {
	t.Helper()
	cfg.AWS, cfg.Prefix, cfg.Logger = f.config(), "t", testLogger(t)
	if cfg.PollWait == 0 {
		cfg.PollWait = 20 * time.Second
	}
	s, err := amazon.Bare(cfg).Source(t.Context(), "history")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func fill(f *fakeSQS, queue string, n int) {
	for i := range n {
		f.put(queue, fakeMessage{body: fmt.Sprint(i)})
	}
}

func fetch(t *testing.T, s *amazon.Source, limit int) []lanes.Delivery {
	t.Helper()
	got, err := s.Fetch(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func bodies(deliveries []lanes.Delivery) []string {
	var texts []string
	for _, d := range deliveries {
		texts = append(texts, string(d.Message.Payload))
	}
	return texts
}

func ackAll(t *testing.T, s *amazon.Source, batch []lanes.Delivery) {
	t.Helper()
	settlements := make([]lanes.Settlement, len(batch))
	for i, d := range batch {
		settlements[i] = lanes.Settlement{Receipt: d.Receipt, Action: lanes.Ack}
	}
	if err := errors.Join(s.Settle(t.Context(), settlements)...); err != nil {
		t.Fatal(err)
	}
}

func TestReceivesGrowWithTheBacklogAndShrinkWithoutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		s := openFake(t, f, amazon.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := s.Fetch(ctx, 256); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if _, most := f.receives(); most != 1 || len(f.called("ReceiveMessage")) != 180 {
			t.Errorf("an idle hour takes %d receives, %d at once; want 180 of 20 s each", len(f.called("ReceiveMessage")), most)
		}

		fill(f, queueName, 3000)
		idle := len(f.called("ReceiveMessage"))
		for got := 0; got < 3000; {
			batch := fetch(t, s, 256)
			got += len(batch)
			ackAll(t, s, batch)
		}
		took := len(f.called("ReceiveMessage")) - idle
		if _, most := f.receives(); most < 12 || most > 16 || took > 300+16 {
			t.Errorf("a backlog of 3,000 takes %d receives, %d at once; want up to 16, and 10 messages in each", took, most)
		}

		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _ = s.Fetch(ctx, 256)
		if open, _ := f.receives(); open > 0 {
			t.Errorf("%d receives are open after a Fetch that has ended", open)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, _ = s.Fetch(ctx, 256)
		if _, most := f.receives(); most != 1 {
			t.Errorf("%d receives at once on the empty queue, want 1", most)
		}
	})
}

func TestNoMoreArrivesThanWasGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 1000)
		s := openFake(t, f, amazon.Config{})
		held := 0
		for limit := 64; limit > 0; { // an engine with room for 64 that handles nothing
			batch := fetch(t, s, limit)
			held += len(batch)
			limit -= len(batch)
			synctest.Wait()
			if _, hidden := f.count(queueName); hidden > 64 {
				t.Fatalf("%d messages are hidden with %d held, granted were 64", hidden, held)
			}
		}
		if held != 64 {
			t.Errorf("%d held", held)
		}
	})
}

// A full engine frees one place after the other. What it receives must come in tens nevertheless.
func TestFullEngineReceivesInTens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 2000)
		e := fakeEngine(t, f, amazon.Config{}, func(c *lanes.Config) { c.MaxMessages, c.Concurrency = 64, 16 })
		e.drain(t, f, queueName, func(*message.Message) bool {
			time.Sleep(10 * time.Millisecond)
			return true
		})
		e.stop(t)
		if calls := len(f.called("ReceiveMessage")); calls > 250 {
			t.Errorf("2,000 messages took %d receives, want about 200", calls)
		}
	})
}

// Two receives are open when the stop begins. What they bring goes to the engine together, which hands it back: handed
// back one by one here, each message would come for the other receive again.
func TestStopReturnsWhatOpenReceivesBring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 10)
		s := openFake(t, f, amazon.Config{})
		ackAll(t, s, fetch(t, s, 256)) // a full answer: two receives are open now
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		time.AfterFunc(2*time.Second, func() { f.put(queueName, fakeMessage{body: "late"}) })
		time.AfterFunc(4*time.Second, func() { f.put(queueName, fakeMessage{body: "later"}) })
		if got, err := s.Fetch(ctx, 256); err != nil || !slices.Equal(bodies(got), []string{"late", "later"}) {
			t.Errorf("after the stop arrives %v, %v", bodies(got), err)
		}
		if _, err := s.Fetch(ctx, 256); !errors.Is(err, context.Canceled) {
			t.Errorf("then: %v", err)
		}
		if n := len(f.called("ReceiveMessage")); n != 3 {
			t.Errorf("%d receives, want none after the stop", n)
		}
	})
}

func TestCloseHandsBackWhatNobodyFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 30)
		s := openFake(t, f, amazon.Config{})
		taken := fetch(t, s, 256) // and two more receives are under way
		time.Sleep(time.Second)
		if _, hidden := f.count(queueName); hidden != 30 || len(taken) != 10 {
			t.Fatalf("%d are hidden and %d taken, want 30 and 10", hidden, len(taken))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if visible, hidden := f.count(queueName); visible != 20 || hidden != 10 {
			t.Errorf("%d are visible and %d hidden, want 20 and 10", visible, hidden)
		}
	})
}

// The engine's stop is bounded, so it may close the source while its last Fetch still waits for an open receive.
func TestCloseEndsAWaitingFetchAndHandsBackWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		s := openFake(t, f, amazon.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		fetched := make(chan []lanes.Delivery, 1)
		go func() {
			got, _ := s.Fetch(ctx, 256)
			fetched <- got
		}()
		synctest.Wait()
		cancel()
		begun := time.Now()
		time.AfterFunc(500*time.Millisecond, func() { f.put(queueName, fakeMessage{body: "late"}) })
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := <-fetched; len(got) > 0 {
			t.Errorf("the fetch returns %v to nobody", bodies(got))
		}
		if visible, _ := f.count(queueName); visible != 1 {
			t.Error("what came last is hidden")
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("close took %s", took)
		}
	})
}

// While the engine is paused it fetches nothing, and what was on its way waits here. The engine takes every lease for a
// fresh one.
func TestMessagesThatWaitedTooLongAreHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 25)
		s := openFake(t, f, amazon.Config{})
		first := fetch(t, s, 256)
		time.Sleep(time.Second)
		if _, hidden := f.count(queueName); hidden != 25 || len(first) != 10 {
			t.Fatalf("%d hidden, %d fetched", hidden, len(first))
		}
		time.Sleep(amazon.Visibility/4 + time.Second)
		for _, d := range fetch(t, s, 256) {
			if d.Received != 2 {
				t.Errorf("message %s was received once, too long ago", d.Message.Payload)
			}
		}
		time.Sleep(amazon.Visibility * 3 / 4) // the first lease is over, the second is not
		if visible, _ := f.count(queueName); visible != 10 {
			t.Errorf("%d visible, want the first ten, which nobody extended", visible)
		}
	})
}

func TestFailingReceivesAreToldOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		fill(f, queueName, 1000)
		s := openFake(t, f, amazon.Config{})
		for range 10 {
			fetch(t, s, 256)
		}
		f.refuse(func(c sqsCall) error {
			time.Sleep(time.Millisecond)
			return errCut
		})
		failures := 0
		for range 30 {
			if _, err := s.Fetch(t.Context(), 256); err != nil {
				failures++
				break
			}
		}
		synctest.Wait()
		f.refuse(nil)
		for range 10 { // what had failed with it is old news
			fetch(t, s, 256)
		}
		if failures != 1 {
			t.Errorf("%d failures told", failures)
		}
	})
}

var errCut = errors.New("connection cut")

// On a FIFO queue a receive whose answer got lost closes the groups of its messages for a whole lease, unless it is made
// again under the same name.
func TestLostReceiveIsRepeatedUnderItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		f.put(fifoName, fakeMessage{body: "1", group: "g"})
		lost := false
		f.lose = func(c sqsCall) bool {
			first := c.Op == "ReceiveMessage" && !lost
			lost = lost || first
			return first
		}
		s := openFake(t, f, amazon.Config{FIFO: true})
		if _, err := s.Fetch(t.Context(), 256); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		f.put(fifoName, fakeMessage{body: "2", group: "h"})
		f.put(fifoName, fakeMessage{body: "3", group: "i"})
		fetch(t, s, 256)
		f.put(fifoName, fakeMessage{body: "4", group: "j"})
		fetch(t, s, 256) // a receive of its own: the repeated one has been answered
		synctest.Wait()
		calls := f.called("ReceiveMessage")
		names := map[string]int{}
		for _, c := range calls {
			names[c.ReceiveRequestAttemptID]++
		}
		if names[calls[0].ReceiveRequestAttemptID] != 2 || calls[0].ReceiveRequestAttemptID == "" || len(names) < 2 {
			t.Errorf("receives were named %v, want the first name twice and then others", names)
		}
	})
}

// The first receive that works after a failure is told, although it brings nothing, and does not wait for something to
// bring: readiness depends on it.
func TestFetchReturnsWhenTheQueueAnswersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSQS(t)
		s := openFake(t, f, amazon.Config{})
		f.refuse(func(c sqsCall) error { return errCut })
		for range 3 {
			if _, err := s.Fetch(t.Context(), 256); err == nil {
				t.Fatal("a receive that was cut brought no error")
			}
		}
		f.refuse(nil)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		got, err := s.Fetch(ctx, 256)
		if took := time.Since(began); len(got) > 0 || err != nil || took > 2*time.Second {
			t.Errorf("%d messages and %v after %s, want the news alone, soon", len(got), err, took)
		}
		if _, err := s.Fetch(ctx, 256); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if n := len(f.called("ReceiveMessage")); n != 4+180 {
			t.Errorf("%d receives, want 4 and one every 20 s", n)
		}
	})
}
