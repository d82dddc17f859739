package workers_test

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

// Receipts come in any order, with repeats and before their message, and end in one state. The store's own suite drives
// all 40,320 orders of the eight statuses; here every 97th of them goes through the worker.
func TestReceiptsInAnyOrderEndInOneState(t *testing.T) {
	const stride = 97 // prime, so that the orders are not all alike
	s := openStore(t)
	delivery := &workers.Delivery{Store: s}
	var g errgroup.Group
	g.SetLimit(64)
	for n := 0; n < 40_320; n += stride {
		order := append(nthOrder(n), messages.Statuses()[n%8], messages.Statuses()[n%3])
		g.Go(func() error {
			id := fmt.Sprint("msg-", n)
			for _, status := range order {
				e := messages.DeliveryUpdated{Origin: origin(), MessageID: id, Status: status}
				env, err := messages.Seal(e, fixedTime, "")
				if err != nil {
					return err
				}
				if err := delivery.Handle(t.Context(), env, e); err != nil {
					return err
				}
			}
			got, err := s.Receipt(t.Context(), origin().Chat, id)
			if err == nil && got.Status != messages.Read {
				err = fmt.Errorf("%v ends in %s", order, got.Status)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// nthOrder is the nth of the 8! orders of the statuses: the digits of n in the factorial number system pick one each.
func nthOrder(n int) []messages.Status {
	left, order := messages.Statuses(), []messages.Status(nil)
	for len(left) > 0 {
		i := n % len(left)
		n /= len(left)
		order = append(order, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return order
}
