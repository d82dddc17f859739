package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/livepipe/livepipe/internal/store"
)

// BenchmarkSaveMessage prints how many messages per second are on disk when the call returns, next to what the same
// server does with one bare INSERT of the same row through the same pool.
func BenchmarkSaveMessage(b *testing.B) {
	for _, callers := range []int{1, 64} {
		var bare float64
		b.Run(fmt.Sprintf("bare_insert/callers=%d", callers), func(b *testing.B) {
			s := openNew(b)
			execute(b, dsnOf(s), `CREATE TABLE bare (id text COLLATE "C" PRIMARY KEY, text text)`)
			bare = concurrently(b, callers, func(ctx context.Context, n int64) error {
				return s.write(ctx, "insert", func(c *call) {
					c.exec(`INSERT INTO bare VALUES ($1, $2)`, fmt.Sprint("msg", n), "text of a message")
				})
			})
		})
		b.Run(fmt.Sprintf("save/callers=%d", callers), func(b *testing.B) {
			s := openNew(b)
			rate := concurrently(b, callers, func(ctx context.Context, n int64) error {
				e := received(fmt.Sprint(n))
				e.ChatID = fmt.Sprint("chat", n%200)
				saved, err := s.SaveMessage(ctx, "evt_"+e.Message.ID, e)
				if err == nil && !saved {
					err = errors.New("not saved")
				}
				return err
			})
			b.ReportMetric(rate/bare, "saved/bare")
		})
	}
}

// concurrently calls do for each number up to b.N and returns the calls per second.
func concurrently(b *testing.B, callers int, do func(ctx context.Context, n int64) error) float64 {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := do(context.Background(), n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "calls/s")
	return rate
}

// BenchmarkPage reads 50 messages with total and next in chats of 10^4 and 10^6 messages over 1,000 days, and prints
// what the longer chat costs over the shorter.
func BenchmarkPage(b *testing.B) {
	const days = 1000
	sizes := []int64{10_000, 1_000_000}
	stores := map[int64]*Store{}
	for _, n := range sizes {
		stores[n] = openNew(b)
		fill(b, stores[n], n, days)
		execute(b, dsnOf(stores[n]), `VACUUM ANALYZE`)
	}
	for _, page := range []struct {
		name string
		upTo func(n int64) int64
		q    store.Query
	}{
		{name: "first", upTo: func(n int64) int64 { return n }},
		{name: "middle", upTo: func(n int64) int64 { return n / 2 }},
		{name: "last", upTo: func(int64) int64 { return 50 }},
		{name: "window", upTo: func(n int64) int64 { return n / 2 }, q: store.Query{From: day(250), To: day(750).Add(-1)}},
		{name: "window_from_noon", upTo: func(n int64) int64 { return n / 2 }, q: store.Query{From: day(250).Add(12 * 3600e9)}},
	} {
		var took [2]float64
		for i, n := range sizes {
			b.Run(fmt.Sprintf("%s/messages=%d", page.name, n), func(b *testing.B) {
				q := page.q
				q.Chat, q.Limit = chat1, 50
				if at := page.upTo(n); at < n {
					q.Before = store.Cursor{CreatedAt: fillStart + at*(days*store.MicrosecondsPerDay/n), Arrival: 1}
				}
				for b.Loop() {
					got, err := stores[n].Page(context.Background(), q)
					if err != nil || len(got.Entries) != 50 || got.Next.IsZero() != (page.name == "last") {
						b.Fatalf("%d entries, next %v, %v", len(got.Entries), got.Next, err)
					}
				}
				took[i] = float64(b.Elapsed()) / float64(b.N)
				if i == 1 {
					b.ReportMetric(took[1]/took[0], "long/short")
				}
			})
		}
	}
}
