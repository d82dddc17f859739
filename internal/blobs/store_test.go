package blobs_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "gocloud.dev/blob/memblob" // a bucket that is no directory: the way that S3 goes

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/messages"
)

func TestDirectory(t *testing.T) {
	conformance.Blobs(t, func(t *testing.T) *blobs.Store {
		return open(t, "file://"+filepath.Join(t.TempDir(), "not", "there", "yet"))
	})
}

func TestOtherBucket(t *testing.T) {
	conformance.Blobs(t, func(t *testing.T) *blobs.Store { return open(t, "mem://") })
}

// TestPutNewBetweenProcesses uses two stores on one directory, which share nothing in memory.
func TestPutNewBetweenProcesses(t *testing.T) {
	dir := t.TempDir()
	stores := []*blobs.Store{open(t, dir), open(t, dir)}
	for range 50 {
		created := make([]bool, len(stores))
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				var err error
				if _, created[i], err = s.PutNew(t.Context(), "idempotency/a", []byte("record")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if created[0] == created[1] {
			t.Fatalf("created by %v, want exactly one", created)
		}
		if err := stores[0].Delete(t.Context(), "idempotency/a"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenRefusesOtherURLs: a mistyped URL must not become a directory that nobody looks into, and what it holds is told
// to nobody.
func TestOpenRefusesOtherURLs(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, url := range []string{
		"", "file://host/dir", "file:///dir?metadata=", "file:///SEK%RET", "nothing://u:SEKRET@here", "S3://u:SEKRET@bucket",
		"s3:/bucket", "s3:bucket", "S3:/bucket", "file:/dir", "file:dir", "bucket", "bucket/files", ".hidden", "~/files", "C:files",
	} {
		s, err := blobs.Open(t.Context(), url)
		if err == nil {
			s.Close()
			t.Errorf("Open(%q) succeeded", url)
		} else if strings.Contains(err.Error(), "SEK") {
			t.Errorf("Open(%q) quotes it: %v", url, err)
		}
	}
	if made, err := os.ReadDir("."); len(made) > 0 || err != nil {
		t.Errorf("made %v, %v", made, err)
	}
}

// TestOpenTakesWhatNamesADirectory, in each way of writing one.
func TestOpenTakesWhatNamesADirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(t.TempDir())
	for _, url := range []string{dir + "/a", "file://" + dir + "/b", "FILE://localhost" + dir + "/c", "./d", "../e", "."} {
		if err := open(t, url).Health(t.Context()); err != nil {
			t.Errorf("Open(%q): %v", url, err)
		}
	}
}

// TestReopen shows that nothing but the blobs themselves is kept, in directories that only the owner reads.
func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	if err := open(t, dir).Put(t.Context(), "pending/media_a", strings.NewReader("bytes"), "image/png"); err != nil {
		t.Fatal(err)
	}
	r, err := open(t, dir).Get(t.Context(), "pending/media_a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); string(b) != "bytes" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	files := 0
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.IsDir() && info.Mode().Perm() != 0o700 {
			t.Errorf("directory with mode %o", info.Mode().Perm())
		}
		if err == nil && !info.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files != 1 {
		t.Errorf("%d files, %v; want the blob alone", files, err)
	}
}

// TestRemovedDirectory recovers by itself once somebody has removed a directory under the running store.
func TestRemovedDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "health")); err != nil {
		t.Fatal(err)
	}
	if err := s.Health(t.Context()); !messages.IsUnavailable(err) {
		t.Errorf("Health = %v, want an outage", err)
	}
	if err := s.Health(t.Context()); err != nil {
		t.Errorf("Health = %v, want recovery", err)
	}
}

func open(t testing.TB, url string) *blobs.Store {
	t.Helper()
	s, err := blobs.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
