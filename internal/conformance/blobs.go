package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/messages"
)

// Blobs holds what every blob store promises. Each call of open gives an empty store that the test closes by itself.
func Blobs(t *testing.T, open func(t *testing.T) *blobs.Store) {
	t.Run("what was put is got, and put again is replaced", func(t *testing.T) { blobsPutGet(t, open(t)) })
	t.Run("a key without a blob is ErrNotFound", func(t *testing.T) { blobsAbsent(t, open(t)) })
	t.Run("delete removes, and twice is no error", func(t *testing.T) { blobsDelete(t, open(t)) })
	t.Run("keys that are not our own are refused", func(t *testing.T) { blobsKeys(t, open(t)) })
	t.Run("a failed put leaves nothing and is no outage", func(t *testing.T) { blobsFailedPut(t, open(t)) })
	t.Run("a source that seeks is put from where it stands", func(t *testing.T) { blobsSeekingSource(t, open(t)) })
	t.Run("a cancelled put leaves nothing", func(t *testing.T) { blobsCancelledPut(t, open(t)) })
	t.Run("of 11 concurrent PutNew one creates", func(t *testing.T) { blobsPutNew(t, open(t)) })
	t.Run("the reader seeks", func(t *testing.T) { blobsSeek(t, open(t)) })
	t.Run("the reader serves range requests", func(t *testing.T) { blobsServe(t, open(t)) })
	t.Run("health leaves nothing", func(t *testing.T) { blobsHealth(t, open(t)) })
	t.Run("claims are given back or nil", func(t *testing.T) { blobsClaims(t, open(t)) })
	t.Run("claims lead nowhere else", func(t *testing.T) { blobsForeignClaims(t, open(t)) })
}

func blobsPutGet(t *testing.T, s *blobs.Store) {
	for _, content := range []string{"first", "", strings.Repeat("long ", 100_000)} {
		put(t, s, "pending/media_a", content)
		if got := get(t, s, "pending/media_a"); got != content {
			t.Errorf("got %d bytes back, want the %d that were put", len(got), len(content))
		}
		if ok, err := s.Exists(t.Context(), "pending/media_a"); !ok || err != nil {
			t.Errorf("%d bytes: Exists = %v, %v", len(content), ok, err)
		}
	}
}

func blobsAbsent(t *testing.T, s *blobs.Store) {
	if _, err := s.Get(t.Context(), "pending/media_none"); !errors.Is(err, blobs.ErrNotFound) || messages.IsUnavailable(err) {
		t.Errorf("Get = %v, want ErrNotFound and no outage", err)
	}
	if ok, err := s.Exists(t.Context(), "pending/media_none"); ok || err != nil {
		t.Errorf("Exists = %v, %v", ok, err)
	}
}

func blobsDelete(t *testing.T, s *blobs.Store) {
	put(t, s, "pending/media_a", "bytes")
	for range 2 {
		if err := s.Delete(t.Context(), "pending/media_a"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	absent(t, s, "pending/media_a")
}

func blobsKeys(t *testing.T, s *blobs.Store) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".hidden", "a/.hidden", "A", "a b", "a\x00b", "a\\b", "é",
		"tmp/a", "a.attrs", strings.Repeat("a", 201),
	} {
		if err := s.Put(t.Context(), key, strings.NewReader("x"), "text/plain"); err == nil {
			t.Errorf("Put took the key %q", key)
		}
		if _, _, err := s.PutNew(t.Context(), key, []byte("x")); err == nil {
			t.Errorf("PutNew took the key %q", key)
		}
		if _, err := s.Get(t.Context(), key); err == nil || errors.Is(err, blobs.ErrNotFound) {
			t.Errorf("Get looked up the key %q: %v", key, err)
		}
	}
}

func blobsFailedPut(t *testing.T, s *blobs.Store) {
	gone := errors.New("the client went away")
	failing := io.MultiReader(strings.NewReader(strings.Repeat("x", 200_000)), iotest.ErrReader(gone))
	for name, body := range map[string]io.Reader{"stream": failing, "file": seeking{iotest.ErrReader(gone), 200_000}} {
		err := s.Put(t.Context(), "pending/media_a", body, "text/plain")
		if !errors.Is(err, gone) || messages.IsUnavailable(err) {
			t.Errorf("%s: Put = %v, want the source's error and no outage", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "media_a") {
			t.Errorf("%s: the error %q tells the media id, which is the right to read the file", name, err)
		}
		absent(t, s, "pending/media_a")
	}
}

func blobsSeekingSource(t *testing.T, s *blobs.Store) {
	body := strings.NewReader("0123456789")
	if _, err := body.Seek(3, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "pending/media_a", body, "text/plain"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "pending/media_a"); got != "3456789" {
		t.Errorf("got %q", got)
	}
}

func blobsCancelledPut(t *testing.T, s *blobs.Store) {
	put(t, s, "pending/media_old", "old")
	for _, key := range []string{"pending/media_new", "pending/media_old"} {
		for _, seeks := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			body := io.MultiReader(strings.NewReader(strings.Repeat("x", 200_000)), cancelling(cancel), strings.NewReader("y"))
			if seeks {
				body = seeking{body, 200_001}
			}
			err := s.Put(ctx, key, body, "text/plain")
			if !errors.Is(err, context.Canceled) || messages.IsUnavailable(err) {
				t.Errorf("Put = %v, want context.Canceled and no outage", err)
			}
		}
	}
	absent(t, s, "pending/media_new")
	if got := get(t, s, "pending/media_old"); got != "old" {
		t.Errorf("a cancelled Put changed the blob that was there")
	}
}

func blobsPutNew(t *testing.T, s *blobs.Store) {
	for round := range 20 {
		key := "idempotency/" + string(rune('a'+round))
		var wg sync.WaitGroup
		created := make([]bool, 11)
		seen := make([]string, 11)
		for i := range created {
			wg.Go(func() {
				mine := strings.Repeat(string(rune('A'+i)), 300)
				existing, ok, err := s.PutNew(t.Context(), key, []byte(mine))
				if err != nil {
					t.Error(err)
				}
				created[i], seen[i] = ok, string(existing)
				if ok {
					seen[i] = mine
				}
			})
		}
		wg.Wait()
		winners := 0
		for i := range created {
			if created[i] {
				winners++
			}
			if diff := cmp.Diff(seen[0], seen[i]); diff != "" {
				t.Errorf("callers saw different records: %s", diff)
			}
		}
		if winners != 1 {
			t.Fatalf("%d callers created the record, want 1", winners)
		}
	}
}

func blobsSeek(t *testing.T, s *blobs.Store) {
	content := make([]byte, 300_000)
	for i := range content {
		content[i] = byte(i % 251)
	}
	put(t, s, "released/media_a", string(content))
	r, err := s.Get(t.Context(), "released/media_a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := iotest.TestReader(r, content); err != nil {
		t.Error(err)
	}
	if r.Size() != 300_000 || r.ModTime().IsZero() {
		t.Errorf("size %d, modified %v", r.Size(), r.ModTime())
	}
	if at, err := r.Seek(1_000_000, io.SeekStart); at != 1_000_000 || err != nil {
		t.Errorf("seek after the end = %d, %v", at, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read after the end = %d, %v", n, err)
	}
}

func blobsServe(t *testing.T, s *blobs.Store) {
	put(t, s, "released/media_a", "0123456789")
	r, err := s.Get(t.Context(), "released/media_a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	req.Header.Set("Range", "bytes=3-5")
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "text/plain")
	http.ServeContent(rec, req, "", r.ModTime(), r)
	if rec.Code != http.StatusPartialContent || rec.Body.String() != "345" {
		t.Errorf("range request = %d %q", rec.Code, rec.Body)
	}
}

func blobsHealth(t *testing.T, s *blobs.Store) {
	if err := s.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	absent(t, s, "health/probe")
}

func blobsClaims(t *testing.T, s *blobs.Store) {
	claims := s.Claims()
	for _, body := range []string{"first", strings.Repeat("long ", 200_000)} {
		for range 2 { // a retry of the publish puts the same claim again
			if err := claims.Put(t.Context(), "claims/evt_a", []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := claims.Get(t.Context(), "claims/evt_a")
		if err != nil || string(got) != body {
			t.Errorf("got %d bytes of %d, %v", len(got), len(body), err)
		}
	}
	if got, err := claims.Get(t.Context(), "claims/evt_b"); got != nil || err != nil {
		t.Errorf("no claim: got %v, %v", got, err)
	}
	if err := claims.Put(t.Context(), "claims/evt_b", make([]byte, 5<<20)); err == nil {
		t.Error("a claim of 5 MiB was put")
	}
}

// blobsForeignClaims: an event from outside may name any key, and a claim as large as it likes.
func blobsForeignClaims(t *testing.T, s *blobs.Store) {
	put(t, s, "pending/media_a", "private")
	put(t, s, "claims/large", strings.Repeat("x", 5<<20))
	for _, key := range []string{"pending/media_a", "claims/../pending/media_a", "/claims/a", "claims/", "claims", "claims/large"} {
		body, err := s.Claims().Get(t.Context(), key)
		var permanent *messages.PermanentError
		if body != nil || !errors.As(err, &permanent) {
			t.Errorf("%s: got %d bytes, %v; want a permanent error", key, len(body), err)
		}
		if err := s.Claims().Put(t.Context(), key, []byte("x")); (err == nil) != (key == "claims/large") {
			t.Errorf("%s: put: %v", key, err)
		}
	}
}

// cancelling is an empty reader that ends a context once it is reached.
func cancelling(cancel context.CancelFunc) io.Reader {
	return readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF })
}

// seeking looks like a file of a length that has not been read yet.
type seeking struct {
	io.Reader
	size int64
}

// Seek implements io.Seeker.
func (s seeking) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return s.size + offset, nil
	}
	return offset, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func put(t *testing.T, s *blobs.Store, key, content string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(content), "text/plain"); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s *blobs.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func absent(t *testing.T, s *blobs.Store, key string) {
	t.Helper()
	if ok, err := s.Exists(t.Context(), key); ok || err != nil {
		t.Errorf("Exists = %v, %v; want nothing there", ok, err)
	}
}
