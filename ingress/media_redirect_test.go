package ingress_test

import (
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// redirecting keeps files in the bucket and sends their readers there.
func redirecting(t *testing.T, bucket string) func(*world) {
	t.Helper()
	b, err := blobs.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return func(w *world) {
		w.deps.Blobs = b
		w.config.MediaRedirect = 5 * time.Minute
	}
}

// signingOnly lets URLs be signed without any S3.
func signingOnly(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_REGION": "eu-west-1", "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
}

// TestMediaRedirect: the URL that was given out stays a capability that ingress checks, and S3 serves the bytes as ingress
// would.
func TestMediaRedirect(t *testing.T) {
	signingOnly(t)
	w := newWorld(t, redirecting(t, "s3://uploads"))
	const path, html = "/media/" + mediaID + ".png", "/media/" + mediaID + ".html"
	released := store.Media{
		Chat: chat, State: store.MediaReleased, ETag: etag, HasThumbnail: true,
		File: messages.File{ID: mediaID, Name: "a b.png", ContentType: "image/png", Extension: ".png", Size: 5},
	}
	rejected := released
	rejected.State = store.MediaRejected
	document := released
	document.File.ContentType = "application/pdf"
	tests := []struct {
		name, method, target string
		media                store.Media
		want                 string // status and, of a redirect, where to and as what
	}{
		{"picture", "GET", path, released, `307 /released/` + mediaID + ` image/png inline; filename="a b.png"; filename*=UTF-8''a%20b.png`},
		{"head", "HEAD", path, released, `307 /released/` + mediaID + ` image/png inline; filename="a b.png"; filename*=UTF-8''a%20b.png`},
		{"document", "GET", path, document, `307 /released/` + mediaID + ` application/pdf attachment; filename="a b.png"; filename*=UTF-8''a%20b.png`},
		{"thumbnail", "GET", "/media/" + mediaID + "/thumbnail", released, `307 /thumbnails/` + mediaID + ` image/jpeg inline; filename="thumbnail.jpg"; filename*=UTF-8''thumbnail.jpg`},
		{"rejected", "GET", path, rejected, "410 media_rejected"},
		{"rejected thumbnail", "GET", "/media/" + mediaID + "/thumbnail", rejected, "410 media_rejected"},
		{"other extension", "GET", html, released, "404 media_not_found"},
		{"post", "POST", path, released, "405 method_not_allowed"},
	}
	for _, test := range tests {
		w.store.media[mediaID] = test.media
		got := w.serve(request(test.method, test.target, ""))
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", test.name, got.header.Get("Cache-Control"))
		}
		if got.status != http.StatusTemporaryRedirect {
			wants(t, test.name, got, test.want)
			continue
		}
		u, err := url.Parse(got.header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if u.Host != "uploads.s3.eu-west-1.amazonaws.com" || q.Get("X-Amz-Expires") != "300" || q.Get("response-cache-control") != "private, max-age=300" {
			t.Errorf("%s: sent to %s", test.name, u)
		}
		if signedFor := q.Get("x-id"); (signedFor == "GetObject") != (test.method == "GET") {
			t.Errorf("%s: signed for %q", test.name, signedFor)
		}
		is := "307 " + u.Path + " " + q.Get("response-content-type") + " " + q.Get("response-content-disposition")
		if diff := cmp.Diff(test.want, is); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestMediaRedirectNeedsS3 fails at the start, not at the first reader.
func TestMediaRedirectNeedsS3(t *testing.T) {
	w := newWorld(t)
	w.deps.Registerer = prometheus.NewRegistry()
	w.config.MediaRedirect = time.Minute
	if _, err := ingress.New(w.config, w.deps); err == nil || !strings.Contains(err.Error(), "LIVEPIPE_MEDIA_REDIRECT") {
		t.Errorf("New = %v", err)
	}
}

// TestMediaRedirectToS3 follows the redirect as a browser does.
func TestMediaRedirectToS3(t *testing.T) {
	w := newWorld(t, redirecting(t, conformance.Bucket(t)))
	w.release(t, "image/png", ".png", `Ümlaut "x".png`, "hello")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for method, body := range map[string]string{http.MethodGet: "hello", http.MethodHead: ""} {
		got := w.serve(request(method, "/media/"+mediaID+".png", ""))
		req, err := http.NewRequestWithContext(t.Context(), method, got.header.Get("Location"), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || string(bytes) != body || err != nil {
			t.Errorf("%s: %d %q, %v", method, resp.StatusCode, bytes, err)
		}
		const disposition = `inline; filename="_mlaut _x_.png"; filename*=UTF-8''%C3%9Cmlaut%20%22x%22.png`
		// LocalStack 4.14 answers HEAD without the disposition.
		if h := resp.Header; method == http.MethodGet && (h.Get("Content-Type") != "image/png" || h.Get("Content-Disposition") != disposition) {
			t.Errorf("%s: %v", method, h)
		}
	}
	w.put(t, messages.PendingKey(mediaID), "raw")
	delete(w.store.media, mediaID)
	wants(t, "not decided", w.get("/media/"+mediaID+".png"), "503 media_not_ready")
}
