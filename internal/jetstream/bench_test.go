package jetstream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/jetstream"
)

// BenchmarkDurablePublish publishes from 64 goroutines, each waiting for its acknowledgement, next to one goroutine
// that writes and fsyncs as much to a file of the same directory.
func BenchmarkDurablePublish(b *testing.B) {
	dir := b.TempDir()
	bus := openBus(b, jetstream.Config{Server: startServer(b, jetstream.ServerConfig{Dir: dir})})
	syncs := fsyncsPerSecond(b, dir)
	publisher := bus.Publisher()

	var lane atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS, which is 2 where the figures of the docs come from
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		me := fmt.Sprint(lane.Add(1))
		for n := 0; pb.Next(); n++ {
			if err := publisher.Publish(topic, event(me, n)); err != nil {
				b.Error(err)
			}
		}
	})
	perSecond := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(perSecond, "publishes/s")
	b.ReportMetric(syncs, "fsyncs/s")
	b.ReportMetric(perSecond/syncs, "publishes/fsync")
}

// BenchmarkPublishLongLane publishes so many messages of one lane in one call.
func BenchmarkPublishLongLane(b *testing.B) {
	publisher := openBus(b, jetstream.Config{Server: startServer(b, jetstream.ServerConfig{Dir: b.TempDir()})}).Publisher()
	for _, n := range []int{1, 15, 100, 2500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				msgs := make([]*message.Message, n)
				for i := range msgs {
					msgs[i] = event("lane", i)
				}
				if err := publisher.Publish(topic, msgs...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func fsyncsPerSecond(b *testing.B, dir string) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const writes = 2000
	record := make([]byte, 200)
	start := time.Now()
	for range writes {
		if _, err := f.Write(record); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return writes / time.Since(start).Seconds()
}
