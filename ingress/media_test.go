package ingress_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	mediaID = "media_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	etag    = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
)

func (w *world) put(t testing.TB, key, content string) {
	t.Helper()
	if err := w.deps.Blobs.Put(t.Context(), key, strings.NewReader(content), "application/octet-stream"); err != nil {
		t.Fatal(err)
	}
}

// release makes what the media worker makes of an upload.
func (w *world) release(t testing.TB, kind, extension, name, content string) {
	w.put(t, messages.ReleasedKey(mediaID), content)
	w.put(t, messages.ThumbnailKey(mediaID), "thumb")
	w.store.media[mediaID] = store.Media{
		Chat: chat, State: store.MediaReleased, ETag: etag, HasThumbnail: true,
		File: messages.File{ID: mediaID, Name: name, ContentType: kind, Extension: extension, Size: int64(len(content))},
	}
}

func (w *world) get(target string, headers ...string) answer {
	return w.serve(request(http.MethodGet, target, "", headers...))
}

func TestMediaIsServedSafely(t *testing.T) {
	w := newWorld(t)
	w.release(t, "image/png", ".png", `Ümlaut "x".png`, "hello")
	got := w.get("/media/"+mediaID+".png", "Origin", "https://app.example.com")
	if got.status != 200 || got.body != "hello" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	got.header.Del("Last-Modified") // when the blob was put
	want := http.Header{
		"Accept-Ranges":               {"bytes"},
		"Access-Control-Allow-Origin": {"https://app.example.com"},
		"Cache-Control":               {"public, max-age=31536000, immutable"},
		"Content-Disposition":         {`inline; filename="_mlaut _x_.png"; filename*=UTF-8''%C3%9Cmlaut%20%22x%22.png`},
		"Content-Length":              {"5"},
		"Content-Security-Policy":     {"default-src 'none'; sandbox"},
		"Content-Type":                {"image/png"},
		"Etag":                        {`"` + etag + `"`},
		"Vary":                        {"Origin"},
		"X-Content-Type-Options":      {"nosniff"},
	}
	if diff := cmp.Diff(want, got.header); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMediaRequests(t *testing.T) {
	const path = "/media/" + mediaID + ".png"
	tests := []struct {
		name, method, target string
		headers              []string
		status               int
		body                 string
	}{
		{"whole", "GET", path, nil, 200, "hello"},
		{"head", "HEAD", path, nil, 200, ""},
		{"range", "GET", path, []string{"Range", "bytes=1-3"}, 206, "ell"},
		{"suffix range", "GET", path, []string{"Range", "bytes=-2"}, 206, "lo"},
		{"range of the same file", "GET", path, []string{"Range", "bytes=1-3", "If-Range", `"` + etag + `"`}, 206, "ell"},
		{"range of another file", "GET", path, []string{"Range", "bytes=1-3", "If-Range", `"other"`}, 200, "hello"},
		{"range outside", "GET", path, []string{"Range", "bytes=9-"}, 416, ""},
		{"not changed", "GET", path, []string{"If-None-Match", `"` + etag + `"`}, 304, ""},
		{"thumbnail", "GET", "/media/" + mediaID + "/thumbnail", nil, 200, "thumb"},
		{"options", "OPTIONS", path, nil, 200, ""},
		{"post", "POST", path, nil, 405, ""},
		{"delete thumbnail", "DELETE", "/media/" + mediaID + "/thumbnail", nil, 405, ""},
		{"other extension", "GET", "/media/" + mediaID + ".html", nil, 404, ""},
		{"no extension", "GET", "/media/" + mediaID, nil, 404, ""},
		{"more after it", "GET", path + "/x", nil, 404, ""},
		{"thumbnail of a name", "GET", path + "/thumbnail", nil, 404, ""},
		{"unknown", "GET", strings.Replace(path, "aaaa", "bbbb", 1), nil, 404, ""},
		{"no id", "GET", "/media/x.png", nil, 404, ""},
		{"path tricks", "GET", "/media/..%2F..%2Fpending%2F" + mediaID + ".png", nil, 404, ""},
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.release(t, "image/png", ".png", "a.png", "hello")
		for _, test := range tests {
			got := w.serve(request(test.method, test.target, "", test.headers...))
			if got.status != test.status || test.body != "" && got.body != test.body {
				t.Errorf("%s: %d %q", test.name, got.status, got.body)
			}
			if (got.status == 405 || test.method == "OPTIONS") != (got.header.Get("Allow") == "GET, HEAD, OPTIONS") {
				t.Errorf("%s: Allow %q", test.name, got.header.Get("Allow"))
			}
			if got.status == 404 || got.status == 405 {
				problemOf(t, got)
			}
			if test.name != "more after it" { // no path of files
				wantKept(t, test.name, got)
			}
		}
	})
}

// wantKept: a cache, a CDN too, may keep a released file for ever and no other answer for a moment. net/http answers 416
// itself, which nobody keeps unasked.
func wantKept(t *testing.T, name string, got answer) {
	t.Helper()
	want := "no-store"
	switch {
	case got.status == 416:
		want = ""
	case got.status < 300 && got.header.Get("Allow") == "", got.status == 304:
		want = "public, max-age=31536000, immutable"
	}
	if kept := got.header.Get("Cache-Control"); kept != want {
		t.Errorf("%s: %d with Cache-Control %q, want %q", name, got.status, kept, want)
	}
	if got.header.Get("Vary") != "Origin" {
		t.Errorf("%s: Vary %q", name, got.header.Get("Vary"))
	}
}

func TestOnlyPicturesAndRecordingsAreShownInline(t *testing.T) {
	for kind, want := range map[string]string{
		"image/jpeg": "inline", "audio/mpeg": "inline", "video/mp4": "inline", "application/pdf": "attachment", "text/plain": "attachment",
	} {
		w := newWorld(t)
		w.release(t, kind, ".x", "a.x", "hello")
		if got := w.get("/media/" + mediaID + ".x").header.Get("Content-Disposition"); !strings.HasPrefix(got, want+";") {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

// TestMediaStates runs in virtual time: a reader waits a little for the media worker.
func TestMediaStates(t *testing.T) {
	tests := map[string]struct {
		after time.Duration // of the decision; 0: at once, negative: never
		state store.MediaState
		want  string
		took  time.Duration
	}{
		"released":       {0, store.MediaReleased, "200", 0},
		"rejected":       {0, store.MediaRejected, "410 media_rejected", 0},
		"released soon":  {500 * time.Millisecond, store.MediaReleased, "200", 600 * time.Millisecond},
		"rejected soon":  {500 * time.Millisecond, store.MediaRejected, "410 media_rejected", 600 * time.Millisecond},
		"released later": {3 * time.Second, store.MediaReleased, "503 media_not_ready", 2 * time.Second},
		"never decided":  {-1, "", "503 media_not_ready", 2 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.put(t, messages.PendingKey(mediaID), "raw")
				w.put(t, messages.ReleasedKey(mediaID), "hello")
				decide := func() {
					w.store.mu.Lock()
					defer w.store.mu.Unlock()
					w.store.media[mediaID] = store.Media{State: test.state, File: messages.File{ID: mediaID, Extension: ".png", ContentType: "image/png", Name: "a.png"}}
				}
				switch {
				case test.after == 0:
					decide()
				case test.after > 0:
					time.AfterFunc(test.after, decide)
				}
				start := time.Now()
				got := w.get("/media/" + mediaID + ".png")
				wants(t, name, got, test.want)
				if took := time.Since(start); took > test.took {
					t.Errorf("took %s", took)
				}
				if (got.status == 503) != (got.header.Get("Retry-After") == "1") {
					t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
				}
				wantKept(t, name, got)
				if strings.Contains(got.body, "raw") {
					t.Error("the file was served before it was released")
				}
				<-time.After(5 * time.Second)
			})
		})
	}
}
