package blobs_test

import (
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
)

const (
	benchUploads = 64
	benchSize    = 10 << 20
)

// BenchmarkUploads puts 64 files of 10 MiB at once and prints the most memory seen above that before, in MiB: the heap's
// objects, and what the system had to give. "stock" is gocloud's own writer, "files" are what ingress puts, "streams" what
// the media worker puts.
func BenchmarkUploads(b *testing.B) {
	b.Run("directory/streams", func(b *testing.B) { benchUploadsTo(b, open(b, b.TempDir()), stream) })
	file := benchFile(b)
	for name, source := range map[string]func(testing.TB) io.Reader{"files": file, "streams": stream} {
		b.Run("s3/"+name, func(b *testing.B) { benchUploadsTo(b, open(b, conformance.Bucket(b)), source) })
	}
	b.Run("s3/stock", func(b *testing.B) {
		s := open(b, conformance.Bucket(b))
		s.WriteAsGocloud()
		benchUploadsTo(b, s, file)
	})
}

func benchUploadsTo(b *testing.B, s *blobs.Store, source func(testing.TB) io.Reader) {
	b.SetBytes(benchUploads * benchSize)
	var peak atomic.Int64
	var before, held int64
	for b.Loop() {
		debug.FreeOSMemory()
		before, held = heap(), residentMemory()
		var done sync.WaitGroup
		for i := range benchUploads {
			body := &weighing{r: source(b), peak: &peak}
			var r io.Reader = body
			if seeker, ok := body.r.(io.Seeker); ok {
				r = struct {
					io.Reader
					io.Seeker
				}{body, seeker}
			}
			done.Go(func() {
				if err := s.Put(b.Context(), "pending/media_"+strconv.Itoa(i), r, "image/png"); err != nil {
					b.Error(err)
				}
			})
		}
		done.Wait()
	}
	runtime.KeepAlive(s)
	b.ReportMetric(float64(peak.Load()-before)/(1<<20), "peak-MiB")
	b.ReportMetric(float64(residentMemory()-held)/(1<<20), "system-MiB")
}

func stream(testing.TB) io.Reader { return io.LimitReader(zeros{}, benchSize) }

// benchFile makes files as ingress has them: without a name, ready to be read.
func benchFile(b testing.TB) func(testing.TB) io.Reader {
	path := b.TempDir() + "/upload"
	if err := os.WriteFile(path, make([]byte, benchSize), 0o600); err != nil {
		b.Fatal(err)
	}
	return func(tb testing.TB) io.Reader {
		f, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { f.Close() })
		return f
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

func heap() int64 { return memory("/memory/classes/heap/objects:bytes") }

// residentMemory is what the runtime holds of the system's memory, garbage that was not given back included.
func residentMemory() int64 {
	return memory("/memory/classes/total:bytes") - memory("/memory/classes/heap/released:bytes")
}

func memory(name string) int64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
