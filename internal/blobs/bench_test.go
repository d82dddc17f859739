package blobs_test

import (
	"io"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkUploads puts 64 files of 10 MiB at once and prints the highest heap seen above that before, in MiB.
func BenchmarkUploads(b *testing.B) {
	const uploads, size = 64, 10 << 20
	s := open(b, b.TempDir())
	b.SetBytes(uploads * size)
	for b.Loop() {
		runtime.GC()
		before := heap()
		var peak atomic.Int64
		var done sync.WaitGroup
		for i := range uploads {
			done.Go(func() {
				body := &weighing{r: io.LimitReader(zeros{}, size), peak: &peak}
				if err := s.Put(b.Context(), "pending/media_"+strconv.Itoa(i), body, "image/png"); err != nil {
					b.Error(err)
				}
			})
		}
		done.Wait()
		b.ReportMetric(float64(peak.Load()-before)/(1<<20), "peak-MiB")
	}
}

// weighing notes the largest heap at the reads of a file.
type weighing struct {
	r    io.Reader
	peak *atomic.Int64
}

func (w *weighing) Read(p []byte) (int, error) {
	now := heap()
	for old := w.peak.Load(); now > old && !w.peak.CompareAndSwap(old, now); old = w.peak.Load() {
	}
	return w.r.Read(p)
}

func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
