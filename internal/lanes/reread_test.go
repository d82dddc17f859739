package lanes

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// scripted lets the first reading of a body take as long as the script says, and fail.
type scripted struct {
	rereadable
	mu    sync.Mutex
	first map[string]reading // by uuid; used once
}

type reading struct {
	takes time.Duration
	err   error
}

func (s *scripted) Reread(ctx context.Context, r Receipt) (*message.Message, error) {
	msg, err := s.rereadable.Reread(ctx, r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	step := s.first[msg.UUID]
	delete(s.first, msg.UUID)
	s.mu.Unlock()
	time.Sleep(step.takes)
	return msg, step.err
}

// TestFailedReadOfAFollowerKeepsTheHeadInLine: while every reader is busy, a lane waits in line for the body of its
// head. A follower's reading that fails meanwhile makes the lane wait a little longer, and not for ever.
func TestFailedReadOfAFollowerKeepsTheHeadInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		j := newJournal(q)
		source := &scripted{first: map[string]reading{
			"slow-2": {time.Second, errFault},
			"slow-3": {3 * time.Second, errFault},
		}}
		for i := range rereads - 1 {
			source.first[fmt.Sprintf("k%d-2", i)] = reading{5 * time.Second, nil}
		}
		w := start(t, newEngine(t, func(ctx context.Context, name string) (Source, error) {
			s, err := q.open(ctx, name)
			source.rereadable, _ = s.(rereadable)
			return source, err
		}, func(c *Config) { c.BodiesPerKey = 2 }), j.watch(func(*message.Message) error { return nil }))
		q.publish("slow", "slow", "slow", "slow", "slow")
		time.Sleep(500 * time.Millisecond)
		q.publish(keys(3*(rereads-1), rereads-1)...)
		time.Sleep(time.Minute)
		if left := q.left(); left > 0 {
			t.Errorf("%d messages still wait a minute later", left)
		}
		w.stop(t)
		j.check(t)
	})
}

// TestAttemptsBelongToOneMessage: a message that the queue no longer has takes its attempts with it; the next of its lane
// starts from the first.
func TestAttemptsBelongToOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		source := &scripted{first: map[string]reading{"k-0": {0, ErrGone}}}
		var next atomic.Int64
		w := start(t, newEngine(t, func(ctx context.Context, name string) (Source, error) {
			s, err := q.open(ctx, name)
			source.rereadable, _ = s.(rereadable)
			return source, err
		}, func(c *Config) { c.MaxMessages, c.LargestMessage = 8, 1000 }), func(msg *message.Message) error {
			if msg.UUID == "k-1" {
				next.Store(int64(Attempt(msg.Context())))
				return nil
			}
			return errHandler
		})
		q.publish("k", "k") // k-0 fails until its body is dropped for those that come after it
		time.Sleep(5 * time.Second)
		q.publish(keys(6, 6)...)
		time.Sleep(10 * time.Minute)
		w.stop(t)
		if got := next.Load(); got != 1 {
			t.Errorf("k-1 came with attempt %d, want 1", got)
		}
	})
}
