package blobs_test

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeS3 is as much of S3 as the store needs, for the faults that LocalStack cannot be asked for. Every bucket is there.
type fakeS3 struct {
	// instead answers a request in the bucket's place when it reports true.
	instead func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.Mutex
	objects map[string]object
	asked   []string // method and path of every request
}

type object struct {
	body    []byte
	headers http.Header // those that it was put with
}

// newFakeS3 makes AWS's settings lead to a fake, for the rest of the test.
func newFakeS3(t testing.TB) *fakeS3 {
	t.Helper()
	f := &fakeS3{objects: map[string]object{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	useAWS(t, server.URL)
	return f
}

// overTLS makes AWS's settings lead to the fake over TLS and gives the file with its certificate.
func overTLS(t testing.TB, f *fakeS3) string {
	t.Helper()
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	useAWS(t, server.URL)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return bundle
}

// useAWS sets everything that AWS's own tools would read from the environment or the home directory.
func useAWS(t testing.TB, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1", "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE":             filepath.Join(t.TempDir(), "none"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
		"AWS_EC2_METADATA_DISABLED":   "true",
	} {
		t.Setenv(name, value)
	}
}

// ServeHTTP implements http.Handler.
func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	f.mu.Unlock()
	if f.instead != nil && f.instead(w, r) {
		return
	}
	switch r.Method {
	case http.MethodPut:
		f.put(w, r)
	case http.MethodDelete:
		f.mu.Lock()
		delete(f.objects, r.URL.Path)
		f.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	default:
		f.get(w, r)
	}
}

func (f *fakeS3) put(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // broken off: S3 keeps nothing of it
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.objects[r.URL.Path]; there && r.Header.Get("If-None-Match") == "*" {
		refuseS3(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	f.objects[r.URL.Path] = object{body, r.Header}
	w.Header().Set("ETag", `"an etag"`)
}

func (f *fakeS3) get(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	o, ok := f.objects[r.URL.Path]
	f.mu.Unlock()
	if !ok {
		refuseS3(w, r, http.StatusNotFound, "NoSuchKey")
		return
	}
	for name, values := range o.headers {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Content-Type", cmp.Or(o.headers.Get("Content-Type"), "binary/octet-stream"))
	http.ServeContent(w, r, "", time.Unix(1700000000, 0), bytes.NewReader(o.body))
}

// refuseS3 answers with an error as S3 words it, which may quote the key and the public half of the credentials.
func refuseS3(w http.ResponseWriter, r *http.Request, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>"+r.Method+" of "+r.URL.Path+"</Message>"+
		"<AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId></Error>")
}

func (f *fakeS3) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

// putWith gives a header of the request that put an object.
func (f *fakeS3) putWith(path, header string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.objects[path].headers.Get(header)
}
