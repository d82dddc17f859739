package amazon

import (
	"strings"
	"testing"

	"github.com/livepipe/livepipe/router"
)

// The route table fits into what AWS allows: names of 80 characters under any prefix up to 42, .fifo included, and ten
// conditions in the policy of a queue, of which TLS is one.
func TestTheRouteTableFits(t *testing.T) {
	var queues []Queue
	for _, b := range router.Table() {
		q := Queue{Name: b.Worker}
		for _, typ := range b.Types {
			q.Topics = append(q.Topics, typ.Topic())
		}
		if len(q.Topics) > 9 {
			t.Errorf("worker %s takes %d topics, and the policy of its queue nine", q.Name, len(q.Topics))
		}
		queues = append(queues, q)
	}
	if err := (names{prefix: strings.Repeat("p", 42), fifo: true}).validate(queues); err != nil {
		t.Error(err)
	}
}
