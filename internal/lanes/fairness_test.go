package lanes

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
)

// traffic publishes a message every millisecond for ten seconds, keys chosen by key.
func traffic(q *queue, key func(i int) string) {
	for i := range 10_000 {
		q.publish(key(i))
		time.Sleep(time.Millisecond)
	}
}

func evenly(i int) string { return fmt.Sprintf("k%d", i%200) }

// runTraffic returns what happened to the traffic. It does not wait for keys that never succeed.
func runTraffic(
	t *testing.T, key func(i int) string, change func(*Config), handle func(*message.Message) error,
) *journal {
	t.Helper()
	q, j := newQueue(testLease), newJournal()
	w := start(t, newEngine(t, q.open, change), j.watch(q, handle))
	traffic(q, key)
	time.Sleep(time.Minute)
	w.stop(t)
	for _, p := range j.problems {
		t.Error(p)
	}
	return j
}

// One key with half of the traffic is more than its lane can handle: 500 messages a second of 5 ms each. The other
// lanes must not notice.
func TestHotKeyStarvesNobody(t *testing.T) {
	others := func(key string) bool { return key != "hot" }
	hot := func(i int) string {
		if i%2 == 0 {
			return "hot"
		}
		return evenly(i)
	}
	small := func(c *Config) { c.MaxMessages = 128 } // less than the hot key's backlog of 8,000
	synctest.Test(t, func(t *testing.T) {
		clean := runTraffic(t, evenly, small, takes(5*time.Millisecond)).p99(others)
		j := runTraffic(t, hot, small, takes(5*time.Millisecond))
		busy := j.p99(others)
		t.Logf("p99 of the others: %s without, %s with the hot key", clean, busy)
		if busy > 2*clean {
			t.Errorf("p99 of the others is %s, more than twice %s", busy, clean)
		}
		// The hot lane itself goes on at the speed of its handler although its bodies are read again.
		// Its last message comes after 10 s and stands behind 25 s of handlers.
		if took := j.latencies["hot"][4999]; took > 17*time.Second {
			t.Errorf("the hot key's last message took %s, want about 15s", took)
		}
	})
}

// With one slot, lanes take turns: the second message of a busy key stands behind the first of every other.
func TestReadyLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		q.publish(append(keys(100, 1), "a", "b", "c")...)
		var order []string
		w := start(t, newEngine(t, q.open, func(c *Config) { c.Concurrency = 1 }), j.watch(q, func(msg *message.Message) error {
			order = append(order, keyOf(msg))
			return nil
		}))
		q.drained()
		w.stop(t)
		j.check(t, q)
		if diff := cmp.Diff([]string{"k0", "a", "b", "c", "k0"}, order[:5]); diff != "" {
			t.Errorf("order of starts (-want +got):\n%s", diff)
		}
	})
}

func TestFailingLanesSlowNobody(t *testing.T) {
	bad := map[string]bool{"k3": true, "k77": true} // 1% of 200 keys
	handle := func(msg *message.Message) error {
		time.Sleep(5 * time.Millisecond)
		if bad[keyOf(msg)] {
			return errHandler
		}
		return nil
	}
	others := func(key string) bool { return !bad[key] }
	synctest.Test(t, func(t *testing.T) {
		clean := runTraffic(t, evenly, nil, takes(5*time.Millisecond)).p99(others)
		busy := runTraffic(t, evenly, nil, handle).p99(others)
		t.Logf("p99 of the others: %s without, %s with failing lanes", clean, busy)
		if busy*2 > clean*3 {
			t.Errorf("p99 of the others is %s, more than 1.5 times %s", busy, clean)
		}
	})
}

// A dead destination closes more lanes than bodies fit in memory. Their bodies are dropped, so that intake goes on
// for the living ones.
func TestClosedLanesDoNotFillMemory(t *testing.T) {
	var dead atomic.Bool
	dead.Store(true)
	handle := func(msg *message.Message) error {
		if keyOf(msg) != "alive" && dead.Load() {
			return errHandler
		}
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(testLease), newJournal()
		q.publish(keys(5_000, 1_000)...)
		w := start(t, newEngine(t, q.open, func(c *Config) { c.MaxMessages = 128 }), j.watch(q, handle))
		time.Sleep(10 * time.Second)
		q.publish("alive")
		time.Sleep(100 * time.Millisecond)
		if j.startsOf("alive-0") != 1 {
			t.Error("the living lane was not started within 100 ms")
		}
		dead.Store(false)
		q.drained()
		w.stop(t)
		j.check(t, q)
	})
}
