package lanes

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// traffic publishes a message every millisecond for four seconds, keys chosen by key.
func traffic(q *queue, key func(i int) string) {
	for i := range 4_000 {
		q.publish(key(i))
		time.Sleep(time.Millisecond)
	}
}

func evenly(i int) string { return fmt.Sprintf("k%d", i%200) }

// runTraffic returns what happened to the traffic. It does not wait for keys that never succeed.
func runTraffic(
	t *testing.T, k kind, key func(i int) string, change func(*Config), handle func(*message.Message) error,
) *journal {
	t.Helper()
	q := newQueue(k)
	j := newJournal(q)
	w := start(t, q.engine(t, change), j.watch(handle))
	traffic(q, key)
	time.Sleep(time.Minute)
	w.stop(t)
	j.checkOrder(t)
	return j
}

// F12: one key with half of the traffic is more than its lane can handle: 500 messages a second of 5 ms each. The other
// lanes must not notice.
func TestHotKeyStarvesNobody(t *testing.T) {
	others := func(key string) bool { return key != "hot" }
	hot := func(i int) string {
		if i%2 == 0 {
			return "hot"
		}
		return evenly(i)
	}
	small := func(c *Config) { c.MaxMessages = 128 } // less than the hot key's backlog of 1,200
	forEach(t, []kind{stream, fifo, standard}, func(t *testing.T, k kind) {
		clean := runTraffic(t, k, evenly, small, takes(5*time.Millisecond)).p99(others)
		j := runTraffic(t, k, hot, small, takes(5*time.Millisecond))
		busy := j.p99(others)
		t.Logf("p99 of the others: %s without, %s with the hot key", clean, busy)
		if busy > 2*clean {
			t.Errorf("p99 of the others is %s, more than twice %s", busy, clean)
		}
		// The hot lane itself goes on at about the speed of its handler, although its bodies come again or are read
		// again. Its last message comes after 4 s and stands behind 10 s of handlers.
		slowest := time.Duration(0)
		for _, took := range j.latencies["hot"] {
			slowest = max(slowest, took)
		}
		t.Logf("%d of the hot key handled, after at most %s; received at most %d times", len(j.latencies["hot"]), slowest, j.q.mostReceived())
		if len(j.latencies["hot"]) < 2_000 || k.sorted && slowest > 8*time.Second {
			t.Errorf("%d of 2000 of the hot key were handled, the last after %s", len(j.latencies["hot"]), slowest)
		}
	})
}

// With one slot, lanes take turns: the second message of a busy key stands behind the first of every other.
func TestReadyLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(stream)
		j := newJournal(q)
		q.publish(append(keys(100, 1), "a", "b", "c")...)
		var order []string
		w := start(t, q.engine(t, func(c *Config) { c.Concurrency = 1 }), j.watch(func(msg *message.Message) error {
			order = append(order, keyOf(msg))
			return nil
		}))
		q.drained()
		w.stop(t)
		j.check(t)
		if diff := cmp.Diff([]string{"k0", "a", "b", "c", "k0"}, order[:5]); diff != "" {
			t.Errorf("order of starts (-want +got):\n%s", diff)
		}
	})
}

// F11: one key in a hundred never succeeds; nor, where keys have no order, does one message in a hundred.
func TestFailingLanesSlowNobody(t *testing.T) {
	bad := map[string]bool{"k3": true, "k77": true} // 1% of 200 keys
	others := func(key string) bool { return !bad[key] }
	handle := func(poison func(*message.Message) bool) func(*message.Message) error {
		return func(msg *message.Message) error {
			time.Sleep(5 * time.Millisecond)
			if poison(msg) {
				return errHandler
			}
			return nil
		}
	}
	forEach(t, []kind{stream, fifo, standard}, func(t *testing.T, k kind) {
		clean := runTraffic(t, k, evenly, nil, takes(5*time.Millisecond)).p99(others)
		check := func(what string, poison func(*message.Message) bool) {
			busy := runTraffic(t, k, evenly, nil, handle(poison)).p99(others)
			t.Logf("p99 of the others: %s without, %s with %s", clean, busy, what)
			if busy*2 > clean*3 {
				t.Errorf("p99 of the others is %s, more than 1.5 times %s, with %s", busy, clean, what)
			}
		}
		check("failing keys", func(msg *message.Message) bool { return bad[keyOf(msg)] })
		if !k.sorted {
			check("failing messages", func(msg *message.Message) bool { return nOf(msg) == 17 && keyOf(msg)[1:] < "5" })
		}
	})
}

// Ten hot keys, each with more than its lane can handle, leave room for an eleventh.
func TestHotKeysLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(standard)
		j := newJournal(q)
		q.publish(keys(10_000, 10)...)
		w := start(t, q.engine(t, func(c *Config) { c.MaxMessages, c.BodiesPerKey = 1000, 8 }), j.watch(takes(100*time.Millisecond)))
		time.Sleep(2 * time.Second)
		q.publish("fresh")
		time.Sleep(100 * time.Millisecond)
		if j.startsOf("fresh-0") != 1 {
			t.Error("the eleventh key was not started within 100 ms")
		}
		w.stop(t)
		j.checkOrder(t)
	})
}

// Lanes that go back because memory is full stay away for as long as they would have waited here.
func TestClosedLanesStayAwayUntilTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(fifo)
		j := newJournal(q)
		q.publish(keys(80, 40)...)
		w := start(t, q.engine(t, func(c *Config) { c.MaxMessages = 16 }), j.watch(func(*message.Message) error {
			return messages.Postpone(time.Hour, errHandler)
		}))
		time.Sleep(59 * time.Minute)
		w.stop(t)
		for i := range 40 {
			if n := j.startsOf(fmt.Sprintf("k%d-0", i)); n != 1 {
				t.Errorf("k%d-0 was started %d times within the hour that it asked for", i, n)
			}
		}
	})
}

// A dead destination closes more lanes than bodies fit in memory. Their bodies are dropped, or go back, so that intake
// goes on for the living ones.
func TestClosedLanesDoNotFillMemory(t *testing.T) {
	forEach(t, []kind{stream, fifo, standard}, func(t *testing.T, k kind) {
		var dead atomic.Bool
		dead.Store(true)
		q := newQueue(k)
		j := newJournal(q)
		q.publish(keys(2_000, 1_000)...)
		w := start(t, q.engine(t, func(c *Config) { c.MaxMessages = 128 }), j.watch(func(msg *message.Message) error {
			if keyOf(msg) != "alive" && dead.Load() {
				return errHandler
			}
			return nil
		}))
		time.Sleep(10 * time.Second)
		q.publish("alive")
		time.Sleep(100 * time.Millisecond)
		if j.startsOf("alive-0") != 1 {
			t.Error("the living lane was not started within 100 ms")
		}
		dead.Store(false)
		q.drained()
		w.stop(t)
		j.check(t)
	})
}
