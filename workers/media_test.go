package workers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/media"
	"github.com/livepipe/livepipe/internal/media/samples"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/workers"
)

// decisions is a MediaStore in memory that can fail before or after it has written.
type decisions struct {
	kept          map[string]store.Media
	writes        int
	before, after error
	read          error
}

func (d *decisions) Media(_ context.Context, id string) (store.Media, error) {
	if d.read != nil {
		return store.Media{}, d.read
	}
	m, ok := d.kept[id]
	if !ok {
		return store.Media{}, store.ErrUnknownMedia
	}
	return m, nil
}

func (d *decisions) DecideMedia(_ context.Context, m store.Media) (bool, error) {
	if d.before != nil {
		return false, d.before
	}
	d.writes++
	if _, ok := d.kept[m.File.ID]; ok {
		return false, d.after
	}
	d.kept[m.File.ID] = m
	return true, d.after
}

// mediaRig is a media worker over real blobs.
type mediaRig struct {
	t      *testing.T
	dir    string
	blobs  *blobs.Store
	store  *decisions
	worker *workers.Media
}

func newMediaRig(t *testing.T) *mediaRig {
	t.Helper()
	dir := t.TempDir()
	b, err := blobs.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s := &decisions{kept: map[string]store.Media{}}
	return &mediaRig{t: t, dir: dir, blobs: b, store: s, worker: &workers.Media{
		Store: s, Blobs: b, Cleaner: media.NewCleaner(media.Config{}), Now: func() time.Time { return fixedTime },
	}}
}

// upload puts a pending file and gives the event that ingress publishes about it.
func (r *mediaRig) upload(content []byte, contentType string) messages.MediaUploaded {
	r.t.Helper()
	e := uploaded()
	e.File.ContentType, e.File.Size = contentType, int64(len(content))
	sum := sha256.Sum256(content)
	e.Digest = hex.EncodeToString(sum[:])
	r.pend(e, content)
	return e
}

func (r *mediaRig) pend(e messages.MediaUploaded, content []byte) {
	r.t.Helper()
	if err := r.blobs.Put(r.t.Context(), messages.PendingKey(e.File.ID), bytes.NewReader(content), ""); err != nil {
		r.t.Fatal(err)
	}
}

func (r *mediaRig) handle(e messages.MediaUploaded) error {
	return r.worker.Handle(r.t.Context(), seal(r.t, e), e)
}

// blob reads a blob; nil if there is none.
func (r *mediaRig) blob(key string) []byte {
	r.t.Helper()
	f, err := r.blobs.Get(r.t.Context(), key)
	if errors.Is(err, blobs.ErrNotFound) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// state is all that a run of the worker leaves.
type state struct {
	Decision                     store.Media
	Pending, Released, Thumbnail []byte
}

func (r *mediaRig) state(e messages.MediaUploaded) state {
	r.t.Helper()
	id := e.File.ID
	return state{
		r.store.kept[id], r.blob(messages.PendingKey(id)), r.blob(messages.ReleasedKey(id)), r.blob(messages.ThumbnailKey(id)),
	}
}

// TestMediaReleasesPicturesWithoutMetadata: a photograph with a place on earth, taken sideways, and its kin.
func TestMediaReleasesPicturesWithoutMetadata(t *testing.T) {
	scene := samples.Scene(48, 32)
	for contentType, content := range map[string][]byte{
		"image/jpeg": samples.JPEG(scene, 6),
		"image/png":  samples.PNG(scene, 6),
		"image/webp": samples.WebP(scene, 6),
		"image/gif":  samples.GIF(scene),
	} {
		t.Run(contentType, func(t *testing.T) {
			r := newMediaRig(t)
			e := r.upload(content, contentType)
			if err := r.handle(e); err != nil {
				t.Fatal(err)
			}
			got := r.state(e)
			if got.Pending != nil {
				t.Error("the pending file is still there")
			}
			if bytes.Contains(got.Released, []byte(samples.Secret)) {
				t.Error("metadata is left in the released file")
			}
			sum := sha256.Sum256(got.Released)
			want := store.Media{
				Chat: e.Chat, File: e.File, State: store.MediaReleased, ETag: hex.EncodeToString(sum[:]), HasThumbnail: true,
				DecidedAt: fixedTime,
			}
			want.File.Size = int64(len(got.Released))
			if diff := cmp.Diff(want, got.Decision); diff != "" {
				t.Error(diff)
			}
			thumb, err := jpeg.Decode(bytes.NewReader(got.Thumbnail))
			if err != nil || thumb.Bounds().Size() != image.Pt(48, 32) {
				t.Errorf("thumbnail %v, %v; want it upright", thumb.Bounds(), err)
			}
		})
	}
}

// TestMediaKeepsOtherFiles byte for byte, without a thumbnail.
func TestMediaKeepsOtherFiles(t *testing.T) {
	r := newMediaRig(t)
	content := []byte("%PDF-1.7\n" + strings.Repeat("page ", 100_000))
	e := r.upload(content, "application/pdf")
	if err := r.handle(e); err != nil {
		t.Fatal(err)
	}
	got := r.state(e)
	if !bytes.Equal(got.Released, content) || got.Pending != nil || got.Thumbnail != nil || got.Decision.HasThumbnail {
		t.Errorf("released %d of %d bytes, decision %+v", len(got.Released), len(content), got.Decision)
	}
}

// TestMediaRejects bad files by a decision with a reason, not by an error.
func TestMediaRejects(t *testing.T) {
	png := samples.PNG(samples.Scene(48, 32), 1)
	for name, c := range map[string]struct {
		content     []byte
		contentType string
		spoil       func(*messages.MediaUploaded)
		want        string
	}{
		"other bytes than were received": {png, "image/png", func(e *messages.MediaUploaded) { e.Digest = strings.Repeat("0", 64) }, workers.ReasonDigest},
		"other type than the event says": {png, "image/jpeg", nil, workers.ReasonType},
		"type that is not taken":         {[]byte("<html><script>"), "text/plain", nil, workers.ReasonType},
		"damaged picture":                {png[:len(png)/2], "image/png", nil, media.ReasonUndecodable},
		"50 gigapixels":                  {bytes.Replace(png, []byte{0, 0, 0, 48}, []byte{0x7f, 0, 0, 0}, 1), "image/png", nil, media.ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r := newMediaRig(t)
			e := r.upload(c.content, c.contentType)
			if c.spoil != nil {
				c.spoil(&e)
			}
			if err := r.handle(e); err != nil {
				t.Fatal(err)
			}
			want := state{Decision: store.Media{
				Chat: e.Chat, File: e.File, State: store.MediaRejected, Reason: c.want, DecidedAt: fixedTime,
			}}
			if diff := cmp.Diff(want, r.state(e)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMediaRedelivery decides once: repetitions change nothing and remove what a crash left pending.
func TestMediaRedelivery(t *testing.T) {
	r := newMediaRig(t)
	content := samples.JPEG(samples.Scene(48, 32), 6)
	e := r.upload(content, "image/jpeg")
	if err := r.handle(e); err != nil {
		t.Fatal(err)
	}
	want := r.state(e)
	for _, pending := range [][]byte{nil, content, []byte("something else")} {
		if pending != nil {
			r.pend(e, pending)
		}
		r.worker.Now = func() time.Time { return fixedTime.Add(time.Hour) }
		if err := r.handle(e); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, r.state(e)); diff != "" {
			t.Error(diff)
		}
	}
	if r.store.writes != 1 {
		t.Errorf("%d decisions written, want 1", r.store.writes)
	}
}

// TestMediaCrash stops the worker after each of its steps; the redelivery ends in the state of a run that was not
// stopped.
func TestMediaCrash(t *testing.T) {
	content := samples.JPEG(samples.Scene(48, 32), 6)
	whole := newMediaRig(t)
	e := whole.upload(content, "image/jpeg")
	if err := whole.handle(e); err != nil {
		t.Fatal(err)
	}
	want := whole.state(e)
	crash := errors.New("crash")

	for name, stop := range map[string]func(*mediaRig) (resume func()){
		"before the thumbnail": func(r *mediaRig) func() { return r.block("thumbnails") },
		"after the thumbnail":  func(r *mediaRig) func() { return r.block("released") },
		"after the release": func(r *mediaRig) func() {
			r.store.before = crash
			return func() { r.store.before = nil }
		},
		"after the decision": func(r *mediaRig) func() {
			r.store.after = crash
			return func() { r.store.after = nil }
		},
		"before it could read the store": func(r *mediaRig) func() {
			r.store.read = crash
			return func() { r.store.read = nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newMediaRig(t)
			e := r.upload(content, "image/jpeg")
			resume := stop(r)
			if err := r.handle(e); err == nil {
				t.Fatal("the worker was not stopped")
			}
			resume()
			if err := r.handle(e); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, r.state(e)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// block makes every Put under a prefix fail: a file stands where its directory would be.
func (r *mediaRig) block(prefix string) (resume func()) {
	path := filepath.Join(r.dir, prefix)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestMediaOutcomes: what a failure means is said by the kind of the error.
func TestMediaOutcomes(t *testing.T) {
	content := samples.PNG(samples.Scene(8, 8), 1)

	r := newMediaRig(t)
	e := r.upload(content, "image/png")
	r.block("released")
	if err := r.handle(e); !messages.IsUnavailable(err) {
		t.Errorf("blob store down = %v, want an outage", err)
	}

	r = newMediaRig(t)
	e = r.upload(content, "image/png")
	r.store.before = messages.Unavailable(errors.New("down"))
	if err := r.handle(e); !messages.IsUnavailable(err) {
		t.Errorf("store down = %v, want an outage", err)
	}

	r = newMediaRig(t)
	e = uploaded()
	var permanent *messages.PermanentError
	if err := r.handle(e); err == nil || messages.IsUnavailable(err) || errors.As(err, &permanent) {
		t.Errorf("pending file missing = %v, want a plain error, which is counted", err)
	}

	e.File.ID = "../../etc/passwd"
	if err := r.handle(e); !errors.As(err, &permanent) {
		t.Errorf("id that is none = %v, want a permanent error", err)
	}
	if len(r.store.kept) != 0 {
		t.Errorf("decisions %v, want none", r.store.kept)
	}
}

// TestMediaWaitsForItsTurnUncounted: in a burst of pictures most of the time of a run would go by in line, and twelve
// such runs must not end as a dead letter of a file that is fine.
func TestMediaWaitsForItsTurnUncounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMediaRig(t)
		picture := samples.PNG(samples.Scene(8, 8), 0)
		first, err := r.worker.Cleaner.Clean(t.Context(), bytes.NewReader(picture), "image/png")
		if err != nil {
			t.Fatal(err)
		}
		e := r.upload(picture, "image/png")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // as the router gives
		defer cancel()
		var later *messages.PostponedError
		if err := r.worker.Handle(ctx, seal(t, e), e); !errors.As(err, &later) || ctx.Err() != nil {
			t.Errorf("while another picture is at work: %v, want it postponed with time left", err)
		}
		first.Close()
		if err := r.handle(e); err != nil || r.store.kept[e.File.ID].State != store.MediaReleased {
			t.Errorf("when its turn has come: %v", err)
		}
	})
}
