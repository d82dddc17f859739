package blobs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/messages"
)

func TestFakeS3(t *testing.T) {
	newFakeS3(t)
	n := 0
	conformance.Blobs(t, func(t *testing.T) *blobs.Store {
		n++
		return open(t, "s3://uploads/part"+string(rune('a'+n)))
	})
}

// TestS3URL shows where the key of a blob leads.
func TestS3URL(t *testing.T) {
	for url, want := range map[string]string{
		"s3://uploads":                          "PUT /uploads/pending/a",
		"s3://uploads/":                         "PUT /uploads/pending/a",
		"s3://uploads/live/eu?region=eu-west-1": "PUT /uploads/live/eu/pending/a",
		"s3://uploads.example.com/live/":        "PUT /uploads.example.com/live/pending/a",
	} {
		f := newFakeS3(t)
		if err := open(t, url).Put(t.Context(), "pending/a", strings.NewReader("x"), ""); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if diff := cmp.Diff([]string{want}, f.requests()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", url, diff)
		}
		_, scope, _ := strings.Cut(f.putWith(strings.TrimPrefix(want, "PUT "), "Authorization"), "Credential=")
		region := strings.Split(scope, "/")[2]
		if (region == "eu-west-1") != strings.Contains(url, "region=") {
			t.Errorf("%s: signed for the region %s", url, region)
		}
	}
}

func TestS3URLsThatAreRefused(t *testing.T) {
	useAWS(t, "")
	for _, url := range []string{
		"s3://", "s3:///bucket", "s3://AKID:hush@bucket", "S3://AKID:hush@bucket", "s3://bucket:9000", "s3://bucket#x", "s3://bucket/UPPER", "s3://bucket/a//b",
		"s3://bucket/../b", "s3://bucket?endpoint=http://hush", "s3://bucket?region=a&region=b", "s3://buck%ZZet?hush",
	} {
		s, err := blobs.Open(t.Context(), url)
		if err == nil {
			s.Close()
			t.Errorf("Open(%q) succeeded", url)
			continue
		}
		if !strings.Contains(err.Error(), "s3://bucket[/prefix][?region=REGION]") || strings.Contains(err.Error(), "hush") {
			t.Errorf("Open(%q) = %v", url, err)
		}
	}
}

func TestS3NeedsARegion(t *testing.T) {
	useAWS(t, "")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := blobs.Open(t.Context(), "s3://uploads"); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("Open = %v, want it to name AWS_REGION", err)
	}
}

// TestS3RefusalsAreOutages: a wrong setting must neither dead-letter an event nor look like a file that is not there. The
// error says what to do, and nothing that is secret: media ids and credentials.
func TestS3RefusalsAreOutages(t *testing.T) {
	calls := map[string]func(context.Context, *blobs.Store) error{
		"put": func(ctx context.Context, s *blobs.Store) error {
			return s.Put(ctx, "pending/media_secret", strings.NewReader("x"), "")
		},
		"put new": func(ctx context.Context, s *blobs.Store) error {
			_, _, err := s.PutNew(ctx, "pending/media_secret", []byte("x"))
			return err
		},
		"get": func(ctx context.Context, s *blobs.Store) error {
			_, err := s.Get(ctx, "pending/media_secret")
			return err
		},
		"exists": func(ctx context.Context, s *blobs.Store) error {
			_, err := s.Exists(ctx, "pending/media_secret")
			return err
		},
		"delete": func(ctx context.Context, s *blobs.Store) error { return s.Delete(ctx, "pending/media_secret") },
		"claim": func(ctx context.Context, s *blobs.Store) error {
			_, err := s.Claims().Get(ctx, "claims/media_secret")
			return err
		},
		"health": func(ctx context.Context, s *blobs.Store) error { return s.Health(ctx) },
	}
	for code, test := range map[string]struct {
		status int
		advice string
	}{
		"NoSuchBucket":                 {404, "livepipe provision"},
		"AccessDenied":                 {403, "s3:ListBucket"},
		"InvalidAccessKeyId":           {403, "credentials"},
		"SignatureDoesNotMatch":        {403, "credentials"},
		"ExpiredToken":                 {400, "credentials"},
		"RequestTimeTooSkewed":         {403, "clock"},
		"PermanentRedirect":            {301, "region"},
		"AuthorizationHeaderMalformed": {400, "region"},
		"SlowDown":                     {503, "SlowDown"},
		"InternalError":                {500, "InternalError"},
		"WhatNobodyKnows":              {404, "WhatNobodyKnows"},
	} {
		f := newFakeS3(t)
		f.instead = func(w http.ResponseWriter, r *http.Request) bool {
			refuseS3(w, r, test.status, code)
			return true
		}
		s := quick(t, "s3://uploads", time.Second)
		for name, call := range calls {
			err := call(t.Context(), s)
			if !messages.IsUnavailable(err) {
				t.Errorf("%s, %s: %v, want an outage", code, name, err)
				continue
			}
			if !strings.Contains(err.Error(), test.advice) {
				t.Errorf("%s, %s: %v, want it to tell %q", code, name, err, test.advice)
			}
			for _, secret := range []string{"AKIDEXAMPLE", "hush", "media_secret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s, %s: %v tells %s", code, name, err, secret)
				}
			}
		}
	}
}

// TestS3HealthNeedsListing: without s3:ListBucket everything works until the first file that is not there.
func TestS3HealthNeedsListing(t *testing.T) {
	f := newFakeS3(t)
	s := quick(t, "s3://uploads", time.Second)
	if err := s.Health(t.Context()); err != nil {
		t.Errorf("Health = %v", err)
	}
	f.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		refuseS3(w, r, http.StatusForbidden, "AccessDenied") // in the place of NoSuchKey
		return true
	}
	if err := s.Health(t.Context()); !messages.IsUnavailable(err) || !strings.Contains(err.Error(), "s3:ListBucket") {
		t.Errorf("Health = %v, want an outage that names the permission", err)
	}
}

// TestS3TriesAgain: what S3 itself says to try again is no error if it then works.
func TestS3TriesAgain(t *testing.T) {
	for code, status := range map[string]int{"SlowDown": 503, "InternalError": 500, "ConditionalRequestConflict": 409} {
		f := newFakeS3(t)
		var refused atomic.Int32
		f.instead = func(w http.ResponseWriter, r *http.Request) bool {
			if refused.Add(1) > 2 {
				return false
			}
			refuseS3(w, r, status, code)
			return true
		}
		if _, created, err := quick(t, "s3://uploads", time.Second).PutNew(t.Context(), "idempotency/a", []byte("x")); !created || err != nil {
			t.Errorf("%s: PutNew = %v, %v", code, created, err)
		}
	}
}

// TestLostAnswerOfCreate: the record was made, its answer was lost, and the SDK's next attempt finds it there. Whoever made
// it is told so, or of several callers none would have created it.
func TestLostAnswerOfCreate(t *testing.T) {
	f := newFakeS3(t)
	var lost atomic.Bool
	f.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || lost.Swap(true) {
			return false
		}
		f.put(discarding{}, r)
		panic(http.ErrAbortHandler)
	}
	s := quick(t, "s3://uploads", time.Second)
	if _, created, err := s.PutNew(t.Context(), "idempotency/a", []byte("mine")); !created || err != nil {
		t.Errorf("PutNew = %v, %v; want created", created, err)
	}
	existing, created, err := s.PutNew(t.Context(), "idempotency/a", []byte("other"))
	if string(existing) != "mine" || created || err != nil {
		t.Errorf("PutNew of another = %q, %v, %v; want the first one's", existing, created, err)
	}
}

// TestBrokenOffUploadLeavesNothing ends the context while the body is on its way: the first reading is for the signature,
// the second one is sent.
func TestBrokenOffUploadLeavesNothing(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		newFakeS3(t)
		breakOff(t, open(t, "s3://uploads"))
	})
	t.Run("S3", func(t *testing.T) { breakOff(t, open(t, conformance.Bucket(t))) })
}

func breakOff(t *testing.T, s *blobs.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const size = 8 << 20
	file := &zeroFile{size: size, after: size + size/2, then: cancel}
	if err := s.Put(ctx, "pending/media_a", file, ""); !errors.Is(err, context.Canceled) || messages.IsUnavailable(err) {
		t.Errorf("Put = %v, want context.Canceled and no outage", err)
	}
	if file.read < file.after {
		t.Fatalf("broken off after %d bytes, before any was sent", file.read)
	}
	if ok, err := s.Exists(t.Context(), "pending/media_a"); ok || err != nil {
		t.Errorf("Exists = %v, %v; want nothing there", ok, err)
	}
}

// zeroFile is a file of zeros that calls a function once so many bytes of it have been read, over all readings.
type zeroFile struct {
	size, at    int64
	read, after int64
	then        func()
}

// Read implements io.Reader.
func (f *zeroFile) Read(p []byte) (int, error) {
	n := min(int64(len(p)), f.size-f.at)
	if n <= 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	f.at += n
	f.read += n
	if f.then != nil && f.read >= f.after {
		f.then()
		f.then = nil
	}
	return int(n), nil
}

// Seek implements io.Seeker.
func (f *zeroFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		f.at = offset
	case io.SeekCurrent:
		f.at += offset
	case io.SeekEnd:
		f.at = f.size + offset
	}
	return f.at, nil
}

// discarding is an answer that nobody reads.
type discarding struct{}

func (discarding) Header() http.Header         { return http.Header{} }
func (discarding) Write(p []byte) (int, error) { return len(p), nil }
func (discarding) WriteHeader(int)             {}

func quick(t testing.TB, url string, answer time.Duration) *blobs.Store {
	t.Helper()
	s, err := blobs.OpenS3Quick(t.Context(), url, answer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
