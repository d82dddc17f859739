package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/store"
)

// BenchmarkSaveMessage prints how many messages per second are on disk when the call returns, next to the plain fsyncs
// per second of the same directory.
func BenchmarkSaveMessage(b *testing.B) {
	var fsyncs float64 // per second
	b.Run("fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		page := make([]byte, 4096)
		for b.Loop() {
			if _, err := f.Write(page); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		fsyncs = float64(b.N) / b.Elapsed().Seconds()
		b.ReportMetric(fsyncs, "fsync/s")
	})
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openNew(b)
			var next atomic.Int64
			done := make(chan error, callers)
			b.ResetTimer()
			for range callers {
				go func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						e := received(fmt.Sprint(n))
						e.ChatID = fmt.Sprint("chat", n%200)
						if _, err := s.SaveMessage(context.Background(), "evt_"+e.Message.ID, e); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for range callers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "saved/s")
			b.ReportMetric(rate/fsyncs, "saved/fsync")
		})
	}
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
	}
	start := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	// The place in the chat: the page holds messages upTo-50 to upTo-1, counted from the oldest.
	for _, page := range []struct {
		name     string
		upTo     func(n int64) int64
		from, to time.Time
	}{
		{name: "first", upTo: func(n int64) int64 { return n }},
		{name: "middle", upTo: func(n int64) int64 { return n / 2 }},
		{name: "last", upTo: func(int64) int64 { return 50 }},
		{name: "window", upTo: func(n int64) int64 { return n / 2 }, from: start.AddDate(0, 0, 250), to: start.AddDate(0, 0, 750).Add(-1)},
		{name: "window_from_noon", upTo: func(n int64) int64 { return n / 2 }, from: start.AddDate(0, 0, 250).Add(12 * time.Hour)},
	} {
		var took [2]float64
		for i, n := range sizes {
			b.Run(fmt.Sprintf("%s/messages=%d", page.name, n), func(b *testing.B) {
				q := store.Query{Chat: chat1, Limit: 50, From: page.from, To: page.to}
				if at := page.upTo(n); at < n {
					q.Before = store.Cursor{CreatedAt: start.UnixMicro() + at*(days*store.MicrosecondsPerDay/n), Arrival: at + 1}
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

// fill puts n messages, evenly over the days from 2024-01-01 on, into chat1 by SQL alone: one transaction, no fsync each.
func fill(b *testing.B, s *Store, n int64, days int) {
	b.Helper()
	start := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	err := s.writer.do(b.Context(), func(tx *tx) error {
		chat, err := tx.chatNumber(chat1, time.Now())
		if err != nil {
			return err
		}
		if _, err := tx.exec(`
			INSERT INTO messages (chat, message_id, event_id, channel, user_id, type, text, author_id, author_type, created_at, created_us)
			WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < ?2 - 1)
			SELECT ?1, format('msg_%010d', n), format('evt_%032d', n), 'livechat', 'user1', 'text',
				'Can you check order #12345? It was to come last week, and nobody answers my mails.', 'visitor1', 'visitor',
				'2024-01-15T10:30:00Z', ?3 + n * ?4 FROM i`, chat, n, start, int64(days)*store.MicrosecondsPerDay/n); err != nil {
			return err
		}
		if _, err := tx.exec(`INSERT INTO chat_days SELECT chat, created_us / ?1, count(*) FROM messages GROUP BY 1, 2`, store.MicrosecondsPerDay); err != nil {
			return err
		}
		_, err = tx.exec(`UPDATE chats SET messages = ?2 WHERE id = ?1`, chat, n)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
