package blobs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// spied opens a store that notes what it fsyncs, by paths relative to the root; staged files are noted as tmp/*. The
// probe is put first, so that only the key's own directory is new to the store.
func spied(t *testing.T) (*Store, *directory, *[]string) {
	t.Helper()
	s, err := openDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	d := s.writer.(*directory)
	var synced []string
	d.fsync = func(f *os.File) error {
		name, err := filepath.Rel(d.root, f.Name())
		if err != nil {
			return err
		}
		if filepath.Dir(name) == staging {
			name = staging + "/*"
		}
		synced = append(synced, name)
		return f.Sync()
	}
	return s, d, &synced
}

// TestFsync pins the order of fsyncs: the bytes before they get a name, then the name; a new directory before what is
// in it.
func TestFsync(t *testing.T) {
	s, _, synced := spied(t)
	steps := []struct {
		what string
		do   func() error
		want []string
	}{
		{"first put into a new directory", func() error {
			return s.Put(t.Context(), "pending/media_a", strings.NewReader("bytes"), "image/png")
		}, []string{"tmp/*", ".", "pending"}},
		{"second put", func() error {
			return s.Put(t.Context(), "pending/media_b", strings.NewReader("bytes"), "image/png")
		}, []string{"tmp/*", "pending"}},
		{"new record in two new directories", func() error {
			_, _, err := s.PutNew(t.Context(), "idempotency/org/a", []byte("record"))
			return err
		}, []string{"tmp/*", ".", "idempotency", "idempotency/org"}},
		{"record that is there, whose creator may not have synced yet", func() error {
			_, _, err := s.PutNew(t.Context(), "idempotency/org/a", []byte("record"))
			return err
		}, []string{"tmp/*", "idempotency/org"}},
		{"health", func() error { return s.Health(t.Context()) }, []string{"tmp/*", ".", "health"}},
	}
	for _, step := range steps {
		*synced = nil
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if diff := cmp.Diff(step.want, *synced); diff != "" {
			t.Errorf("%s: fsyncs (-want +got):\n%s", step.what, diff)
		}
	}
}

// TestFailedFsync fails the first, second and third fsync of a Put in turn: an outage, nothing readable, nothing left.
func TestFailedFsync(t *testing.T) {
	for fail := range 3 {
		s, d, _ := spied(t)
		calls := 0
		d.fsync = func(*os.File) error {
			if calls++; calls == fail+1 {
				return syscall.EIO
			}
			return nil
		}
		err := s.Put(t.Context(), "pending/media_a", strings.NewReader("bytes"), "image/png")
		if !messages.IsUnavailable(err) || !errors.Is(err, syscall.EIO) {
			t.Errorf("fsync %d fails: Put = %v, want an outage", fail+1, err)
		}
		if ok, err := s.Exists(t.Context(), "pending/media_a"); ok || err != nil {
			t.Errorf("fsync %d fails: Exists = %v, %v", fail+1, ok, err)
		}
		if left, err := os.ReadDir(filepath.Join(d.root, staging)); len(left) != 0 || err != nil {
			t.Errorf("fsync %d fails: %d staged files left, %v", fail+1, len(left), err)
		}
		if err := s.Put(t.Context(), "pending/media_a", strings.NewReader("bytes"), "image/png"); err != nil {
			t.Errorf("fsync works again: Put = %v", err)
		}
	}
}

// TestFailedFsyncKeepsWhatWasThere: a retried upload puts its blob again, and a 200 may have been given for the first.
func TestFailedFsyncKeepsWhatWasThere(t *testing.T) {
	s, d, _ := spied(t)
	put := func() error {
		return s.Put(t.Context(), "pending/media_a", strings.NewReader("bytes"), "image/png")
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	for fail := range 2 {
		calls := 0
		d.fsync = func(*os.File) error {
			if calls++; calls == fail+1 {
				return syscall.EIO
			}
			return nil
		}
		if err := put(); !messages.IsUnavailable(err) {
			t.Errorf("fsync %d fails: Put = %v, want an outage", fail+1, err)
		}
		if ok, err := s.Exists(t.Context(), "pending/media_a"); !ok || err != nil {
			t.Errorf("fsync %d fails: the blob of before is gone (%v)", fail+1, err)
		}
	}
}

// TestSweep removes staged files whose writer is long dead, and no others.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	for name, age := range map[string]time.Duration{"dead": 25 * time.Hour, "alive": time.Hour} {
		path := filepath.Join(root, staging, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	left, err := filepath.Glob(filepath.Join(root, staging, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Join(root, staging, "alive")}, left); diff != "" {
		t.Error(diff)
	}
}
