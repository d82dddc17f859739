package lanes

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// F12: one organisation floods, with a hundred times what any other sends, in two hundred conversations. Ten others send
// ten messages a second each. Two thirds of what the engine can handle are taken up by the flood; the others must not
// notice. More than the engine can handle is kept out by the account's limit at ingress.
func TestFloodOfOneOrganisationDelaysNobody(t *testing.T) {
	others := func(key string) bool { return !strings.HasPrefix(key, "flood") }
	run := func(t *testing.T, k kind, flood bool) *journal {
		q := newQueue(k)
		j := newJournal(q)
		w := start(t, q.engine(t, func(c *Config) { c.Concurrency = 8 }), j.watch(takes(5*time.Millisecond)))
		for i := range 10_000 { // ten seconds
			if flood {
				q.publish(fmt.Sprintf("flood%d", i%200))
			}
			if i%10 == 0 {
				q.publish(fmt.Sprintf("org%d-chat%d", i/10%10, i/100%7))
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		w.stop(t)
		j.check(t)
		return j
	}
	forEach(t, []kind{stream, fifo, standard}, func(t *testing.T, k kind) {
		clean := run(t, k, false).p99(others)
		flooded := run(t, k, true)
		busy := flooded.p99(others)
		synctest.Wait()
		t.Logf("p99 of the others: %s without, %s with the flood; of the flood itself %s", clean, busy,
			flooded.p99(func(key string) bool { return !others(key) }))
		if busy > 2*clean {
			t.Errorf("p99 of the others is %s, more than twice %s", busy, clean)
		}
	})
}
