package sqlite

import (
	"context"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// The first views of a store, when no statement is prepared yet, need no connection besides their own: as many of them as
// there are connections would wait for each other for ever.
func TestFirstViewsDoNotWaitForEachOther(t *testing.T) {
	s := openNew(t)
	save(t, s, "msg1")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var began sync.WaitGroup
	began.Add(readers)
	var g errgroup.Group
	for range readers {
		g.Go(func() error {
			return s.reader.view(ctx, func(v view) error {
				began.Done()
				began.Wait()
				var number, all int64
				_, err := v.scan(findKnownChat, []any{chat1.Org, chat1.LiveChat, chat1.ChatID}, &number, &all)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(s.reader.cached); n != 1 {
		t.Errorf("%d statements are kept for the next view, want the one", n)
	}
}
