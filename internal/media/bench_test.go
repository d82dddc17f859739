package media

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/livepipe/livepipe/internal/media/samples"
)

// BenchmarkClean cleans a photograph of 12 megapixels: upright (stripped and checked) and sideways (turned and coded
// again). alloc-MiB is all that one picture allocates; what is held at once is less.
func BenchmarkClean(b *testing.B) {
	photo := samples.Scene(4000, 3000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range photo.Pix {
		if i%4 != 3 {
			photo.Pix[i] += byte(random.IntN(16)) // a little noise, so that it is as large as a camera's file
		}
	}
	for name, c := range map[string]struct {
		contentType string
		content     []byte
	}{
		"upright jpeg":  {"image/jpeg", samples.JPEG(photo, 1)},
		"sideways jpeg": {"image/jpeg", samples.JPEG(photo, 6)},
		"png":           {"image/png", encodePNG(b, photo)},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(c.content)))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if _, err := cleanBytes(b.Context(), c.content, c.contentType, Config{}.withDefaults()); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/(1<<20), "alloc-MiB")
		})
	}
}

func encodePNG(b *testing.B, img image.Image) []byte {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}
