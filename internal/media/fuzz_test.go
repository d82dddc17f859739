package media

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/livepipe/livepipe/internal/media/samples"
)

// FuzzClean: whatever the bytes are, they are rejected or come out as a picture of the same kind that cleans to itself.
func FuzzClean(f *testing.F) {
	for _, in := range pictures(f) {
		f.Add(in)
	}
	for name, in := range bombs(f) {
		if !strings.Contains(name, "10,000") { // too long to be varied
			f.Add(in)
		}
	}
	small := Config{MaxPixels: 1 << 16, MaxMemory: 1 << 20}.withDefaults() // fast, and near the limits
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, contentType := range []string{"image/jpeg", "image/png", "image/gif", "image/webp"} {
			p, err := cleanBytes(t.Context(), in, contentType, small)
			if err != nil {
				var rejected *Rejected
				if !errors.As(err, &rejected) || strings.Contains(err.Error(), "panic") {
					t.Fatalf("%s: %v", contentType, err)
				}
				continue
			}
			out := read(t, p)
			if kind, err := Detect(bytes.NewReader(out)); err != nil || kind.ContentType != contentType {
				t.Fatalf("%s came out as %v, %v", contentType, kind, err)
			}
			again, err := cleanBytes(t.Context(), out, contentType, Config{}.withDefaults())
			if err != nil {
				t.Fatalf("%s does not clean again: %v", contentType, err)
			}
			if !bytes.Equal(read(t, again), out) {
				t.Fatalf("%s: cleaning a clean file changes it", contentType)
			}
		}
	})
}

// FuzzDetect: whatever the bytes are, they are one of the kinds that are taken or refused with a type.
func FuzzDetect(f *testing.F) {
	for _, in := range pictures(f) {
		f.Add(in)
	}
	f.Add(ooxml("word/document.xml", docx.ContentType))
	f.Add(odf(odt.ContentType))
	f.Add(compound("WordDocument", "Macros"))
	f.Add([]byte("a,b\n1,2\n"))
	f.Add([]byte("\xef\xbb\xbf <html>"))
	f.Add(samples.PNG(samples.Scene(4, 4), 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		kind, err := Detect(bytes.NewReader(in))
		var refused *Refused
		if errors.As(err, &refused) {
			if !strings.Contains(refused.Found, "/") {
				t.Fatalf("refused as %q", refused.Found)
			}
			return
		}
		if err != nil || !strings.HasPrefix(kind.Extension, ".") || !strings.Contains(kind.ContentType, "/") {
			t.Fatalf("%v, %v", kind, err)
		}
	})
}
