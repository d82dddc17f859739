package conformance

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// receiptOrders reports the eight statuses of a message in each stride-th of their 8! = 40,320 orders, every seventh order
// with repeats, many messages side by side. Along the way the state never falls, and changed is true exactly when it rose.
func receiptOrders(t *testing.T, s S, stride int) {
	if testing.Short() || RaceDetector {
		stride = 97
	}
	var g errgroup.Group
	g.SetLimit(128)
	var n, driven int
	permute(messages.Statuses(), func(order []messages.Status) {
		n++
		if n%stride != 0 {
			return
		}
		driven++
		reports, id := append([]messages.Status(nil), order...), fmt.Sprint("msg", n)
		if n%7 == 0 {
			reports = append(reports, order[n%8], order[0], order[7])
		}
		g.Go(func() error { return report(t, s, id, reports) })
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d orders", driven, n)
}

func report(t *testing.T, s S, id string, reports []messages.Status) error {
	highest := 0
	for _, status := range reports {
		e := updated(chat1, id, status)
		state, changed, err := s.SaveReceipt(t.Context(), eventID(e), e)
		if err != nil {
			return err
		}
		rank, _ := status.Rank()
		rose := rank > highest
		highest = max(highest, rank)
		if got, _ := state.Rank(); got != highest || changed != rose {
			return fmt.Errorf("%v: after %s: %s, %v; want rank %d, %v", reports, status, state, changed, highest, rose)
		}
	}
	got, err := s.Receipt(t.Context(), chat1, id)
	if err != nil {
		return err
	}
	if got.Status != messages.Read {
		return fmt.Errorf("%v ends in %s, want read", reports, got.Status)
	}
	return nil
}

// permute calls f with every order of all (Heap's algorithm). f must not keep its argument.
func permute[T any](all []T, f func([]T)) {
	var step func(k int)
	step = func(k int) {
		if k == 1 {
			f(all)
			return
		}
		for i := range k {
			step(k - 1)
			j := 0
			if k%2 == 0 {
				j = i
			}
			all[j], all[k-1] = all[k-1], all[j]
		}
	}
	step(len(all))
}

func mustReport(t *testing.T, s S, e messages.DeliveryUpdated) {
	t.Helper()
	if _, _, err := s.SaveReceipt(t.Context(), eventID(e), e); err != nil {
		t.Fatalf("SaveReceipt(%s, %s): %v", e.MessageID, e.Status, err)
	}
}

func receiptFirst(t *testing.T, s S) {
	mustReport(t, s, updated(chat1, "msg1", messages.Delivered))
	mustReport(t, s, updated(chat1, "msg9", messages.Read)) // its message never comes
	if known, message, err := s.Seen(t.Context(), chat1, "msg1"); known || message || err != nil {
		t.Errorf("Seen = %v, %v, %v: a receipt alone makes no chat", known, message, err)
	}
	if _, err := s.Page(t.Context(), store.Query{Chat: chat1, Limit: 10}); !errors.Is(err, store.ErrUnknownChat) {
		t.Errorf("Page = %v, want ErrUnknownChat", err)
	}
	one := received(chat1, "msg1", "2024-01-15T10:30:00Z")
	two := received(chat1, "msg2", "2024-01-15T10:31:00Z")
	mustSave(t, s, one)
	mustSave(t, s, two)
	want := store.Page{Total: 2, Entries: []store.Entry{{Message: one.Message, Status: messages.Delivered}, {Message: two.Message}}}
	if diff := cmp.Diff(want, mustPage(t, s, store.Query{Chat: chat1, Limit: 10})); diff != "" {
		t.Error(diff)
	}
}

func receiptTenants(t *testing.T, s S) {
	mustSave(t, s, received(chat1, "msg1", "2024-01-15T10:30:00Z"))
	for _, other := range likeChat1() {
		mustSave(t, s, received(other, "msg1", "2024-01-15T10:30:00Z"))
		mustReport(t, s, updated(other, "msg1", messages.Failed))
	}
	if got := mustPage(t, s, store.Query{Chat: chat1, Limit: 1}).Entries[0].Status; got != "" {
		t.Errorf("status %q came from another chat", got)
	}
	if _, err := s.Receipt(t.Context(), chat1, "msg1"); !errors.Is(err, store.ErrUnknownReceipt) {
		t.Errorf("Receipt = %v, want ErrUnknownReceipt", err)
	}
	mustReport(t, s, updated(chat1, "msg1", messages.Read))
	for _, other := range likeChat1() {
		if got := mustPage(t, s, store.Query{Chat: other, Limit: 1}).Entries[0].Status; got != messages.Failed {
			t.Errorf("%v: status %q, want failed", other, got)
		}
	}
}

func receiptFirstWins(t *testing.T, s S) {
	sent := updated(chat1, "msg1", messages.Sent)
	sent.At = map[messages.Status]string{messages.Queued: "2024-01-15T10:30:00Z", messages.Sent: "2024-01-15T10:30:01Z"}
	failed := updated(chat1, "msg1", messages.Failed)
	failed.At = map[messages.Status]string{messages.Sent: "2030-01-01T00:00:00Z", messages.Failed: "2024-01-15T10:30:02+02:00"}
	failed.Error = &messages.DeliveryError{Code: "30003"}
	undelivered := updated(chat1, "msg1", messages.Undelivered)
	undelivered.Error = &messages.DeliveryError{Code: "30005", Reason: "unknown destination"}
	queued := updated(chat1, "msg1", messages.Queued)
	for _, e := range []messages.DeliveryUpdated{sent, failed, failed, queued, undelivered} {
		mustReport(t, s, e)
	}
	got, err := s.Receipt(t.Context(), chat1, "msg1")
	want := store.Receipt{
		Status: messages.Undelivered,
		Error:  &messages.DeliveryError{Code: "30003"},
		At: map[messages.Status]string{
			messages.Queued: "2024-01-15T10:30:00Z",
			messages.Sent:   "2024-01-15T10:30:01Z",
			messages.Failed: "2024-01-15T10:30:02+02:00",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func receiptUnknownStatus(t *testing.T, s S) {
	for _, status := range []messages.Status{"", "lost", "READ"} {
		_, _, err := s.SaveReceipt(t.Context(), "evt_1", updated(chat1, "msg1", status))
		var permanent *messages.PermanentError
		if !errors.As(err, &permanent) {
			t.Errorf("status %q: %v, want a permanent error", status, err)
		}
	}
}
