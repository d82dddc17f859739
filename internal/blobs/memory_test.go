package blobs_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/livepipe/livepipe/internal/blobs"
)

const (
	manyUploads = 64
	uploadSize  = 1 << 20
)

// TestManyPutsHoldLittle stops 64 uploads of 1 MiB half way, all at once, and weighs the heap: of a stream, and of a file
// that is on its way to S3.
func TestManyPutsHoldLittle(t *testing.T) {
	swallow := func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		return true
	}
	t.Run("stream to a directory", func(t *testing.T) {
		weigh(t, open(t, t.TempDir()), halfStream)
	})
	t.Run("stream to S3", func(t *testing.T) {
		newFakeS3(t).instead = swallow
		weigh(t, open(t, "s3://uploads"), halfStream)
	})
	t.Run("file to S3", func(t *testing.T) {
		newFakeS3(t).instead = swallow
		weigh(t, open(t, "s3://uploads"), func(meet func()) io.Reader { // read for the signature first, then sent
			return &zeroFile{size: uploadSize, after: uploadSize + uploadSize/2, then: meet}
		})
	})
	t.Run("file to S3 over TLS", func(t *testing.T) {
		t.Setenv("AWS_CA_BUNDLE", overTLS(t, &fakeS3{instead: swallow}))
		weigh(t, open(t, "s3://uploads"), func(meet func()) io.Reader {
			return &zeroFile{size: uploadSize, after: uploadSize / 2, then: meet}
		})
	})
}

func halfStream(meet func()) io.Reader {
	return io.MultiReader(
		io.LimitReader(zeros{}, uploadSize/2),
		readerFunc(func([]byte) (int, error) { meet(); return 0, io.EOF }),
		io.LimitReader(zeros{}, uploadSize/2),
	)
}

// weigh puts what half gives, which calls meet once it is half way.
func weigh(t *testing.T, s *blobs.Store, half func(meet func()) io.Reader) {
	before := liveHeap()
	var halfway, done sync.WaitGroup
	halfway.Add(manyUploads)
	release := make(chan struct{})
	for i := range manyUploads {
		done.Go(func() {
			met := sync.OnceFunc(halfway.Done)
			defer met() // nobody waits for one that is over before it was half way
			body := half(func() { met(); <-release })
			if err := s.Put(context.Background(), "pending/media_"+strconv.Itoa(i), body, "image/png"); err != nil {
				t.Error(err)
			}
		})
	}
	halfway.Wait()
	grown := liveHeap() - before
	close(release)
	done.Wait()
	t.Logf("64 uploads of 1 MiB hold %d KiB", grown>>10)
	if limit := int64(16 << 20); grown > limit { // 64 buffers of 64 KiB are 4 MiB
		t.Errorf("64 uploads hold %d bytes, more than %d", grown, limit)
	}
}

func liveHeap() int64 {
	for range 2 { // a pool gives up what it holds with the second one
		runtime.GC()
	}
	return heap()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
