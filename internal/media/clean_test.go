package media

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/webp"

	"github.com/livepipe/livepipe/internal/media/samples"
)

// The lossy WebP files were made by cwebp and gif2webp of libwebp 1.2.4 from samples.Scene.
//
//go:embed testdata/*.webp
var testdata embed.FS

// TestOrientation turns each of the eight orientations upright, at even and at odd sizes.
func TestOrientation(t *testing.T) {
	for _, format := range []struct {
		contentType string
		make        func(image.Image, int) []byte
		decode      func(io.Reader) (image.Image, error)
	}{
		{"image/jpeg", samples.JPEG, jpeg.Decode},
		{"image/png", samples.PNG, png.Decode},
		{"image/webp", samples.WebP, webp.Decode},
	} {
		for _, size := range []image.Point{{X: 48, Y: 32}, {X: 37, Y: 23}} {
			for o := 1; o <= 8; o++ {
				t.Run(fmt.Sprintf("%s %v orientation %d", format.contentType, size, o), func(t *testing.T) {
					p := cleaned(t, format.make(samples.Scene(size.X, size.Y), o), format.contentType)
					img, err := format.decode(p.NewReader())
					if err != nil {
						t.Fatal(err)
					}
					sameScene(t, img, size)
					thumb, err := jpeg.Decode(p.NewThumbnailReader())
					if err != nil {
						t.Fatal(err)
					}
					sameScene(t, thumb, size)
				})
			}
		}
	}
}

// TestNothingLeft looks for what cameras and editors leave, and for what follows the end of the file.
func TestNothingLeft(t *testing.T) {
	for name, in := range pictures(t) {
		t.Run(name, func(t *testing.T) {
			if !bytes.Contains(in, []byte(samples.Secret)) {
				t.Fatal("the sample has no secret")
			}
			out := read(t, cleaned(t, in, contentType(name)))
			for _, word := range []string{samples.Secret, "Exif", "EXIF", "eXIf", "XMP", "xmp", "tEXt", "iTXt", "tIME", "prVt", "JFXX", "MPF", "<script>", "PK"} {
				if bytes.Contains(out, []byte(word)) {
					t.Errorf("%q is left", word)
				}
			}
			if bytes.HasPrefix(out[8:], []byte("WEBPVP8X")) && out[20]&0x0C != 0 {
				t.Error("the header announces EXIF or XMP")
			}
			kind, err := Detect(bytes.NewReader(out))
			if err != nil || kind.ContentType != contentType(name) {
				t.Errorf("the clean file is %v, %v", kind, err)
			}
			if again := read(t, cleaned(t, out, contentType(name))); !bytes.Equal(again, out) {
				t.Error("cleaning a clean file changes it")
			}
		})
	}
}

// TestPixelsStay shows that what need not be turned is not coded again: pixels and colour profile are the same.
func TestPixelsStay(t *testing.T) {
	for name, in := range pictures(t) {
		if strings.HasSuffix(name, "animated") || strings.HasSuffix(name, "turned") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			out := read(t, cleaned(t, in, contentType(name)))
			want, _, err := image.Decode(bytes.NewReader(in))
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := image.Decode(bytes.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("the pixels changed")
			}
			profile := samples.ICC
			if strings.HasPrefix(name, "png") {
				profile = []byte("iCCPicc")
			}
			if bytes.Contains(in, profile) && !bytes.Contains(out, profile) {
				t.Error("the colour profile is gone")
			}
		})
	}
}

// TestProfileStays keeps the colour profile of a picture that was turned, without which its colours would shift.
func TestProfileStays(t *testing.T) {
	scene := samples.Scene(48, 32)
	for contentType, in := range map[string][]byte{"image/jpeg": samples.JPEG(scene, 6), "image/webp": samples.WebP(scene, 6)} {
		if out := read(t, cleaned(t, in, contentType)); !bytes.Contains(out, samples.ICC) {
			t.Errorf("%s: the colour profile is gone", contentType)
		}
	}
	if out := read(t, cleaned(t, samples.PNG(scene, 6), "image/png")); !bytes.Contains(out, []byte("iCCP")) {
		t.Error("image/png: the colour profile is gone")
	}
}

func TestAnimatedGIFStaysTheSame(t *testing.T) {
	in := samples.GIF(samples.Scene(48, 32))
	want, err := gif.DecodeAll(bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	got, err := gif.DecodeAll(cleaned(t, in, "image/gif").NewReader())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || got.LoopCount != 7 || len(got.Image) != 3 {
		t.Errorf("frames, times or loops changed: %s", diff)
	}
}

// TestAnimatedWebPStaysTheSame compares chunk by chunk, because nothing in Go decodes whole animations.
func TestAnimatedWebPStaysTheSame(t *testing.T) {
	in := sample(t, "animated.webp")
	dressed := samples.RIFF(append(in[12:len(in):len(in)], samples.RIFFChunk("XMP ", []byte(samples.Secret))...))
	if out := read(t, cleaned(t, dressed, "image/webp")); !bytes.Equal(in, out) {
		t.Errorf("%d clean bytes, want the %d of the bare animation", len(out), len(in))
	}
}

func TestThumbnailSize(t *testing.T) {
	for _, c := range []struct{ in, want image.Point }{
		{image.Pt(640, 480), image.Pt(320, 240)},
		{image.Pt(480, 640), image.Pt(240, 320)},
		{image.Pt(100, 50), image.Pt(100, 50)},
		{image.Pt(5000, 2), image.Pt(320, 1)},
	} {
		var buf bytes.Buffer
		if err := png.Encode(&buf, samples.Scene(c.in.X, c.in.Y)); err != nil {
			t.Fatal(err)
		}
		cfg, err := jpeg.DecodeConfig(cleaned(t, buf.Bytes(), "image/png").NewThumbnailReader())
		if err != nil || image.Pt(cfg.Width, cfg.Height) != c.want {
			t.Errorf("thumbnail of %v is %d x %d, %v; want %v", c.in, cfg.Width, cfg.Height, err, c.want)
		}
	}
}

// TestTransparentThumbnailIsWhite, because JPEG knows no transparency.
func TestTransparentThumbnailIsWhite(t *testing.T) {
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewNRGBA(image.Rect(0, 0, 400, 400))); err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(cleaned(t, buf.Bytes(), "image/png").NewThumbnailReader())
	if err != nil {
		t.Fatal(err)
	}
	if !near(img.At(100, 100), color.NRGBA{R: 255, G: 255, B: 255, A: 255}) {
		t.Errorf("transparent became %v", img.At(100, 100))
	}
}

// TestCutAnywhere cuts every sample at every third byte: rejected as undecodable or clean, never a panic.
func TestCutAnywhere(t *testing.T) {
	for name, in := range pictures(t) {
		whole, cuts := 0, 0
		for n := 0; n < len(in); n += 3 {
			cuts++
			p, err := cleanBytes(t.Context(), in[:n], contentType(name), Config{}.withDefaults())
			var rejected *Rejected
			switch {
			case err == nil:
				whole++
				if out := read(t, p); bytes.Contains(out, []byte(samples.Secret)) {
					t.Fatalf("%s cut at %d: a secret is left", name, n)
				}
			case !errors.As(err, &rejected) || rejected.Reason != ReasonUndecodable || strings.Contains(err.Error(), "panic"):
				t.Fatalf("%s cut at %d: %v", name, n, err)
			}
		}
		if whole == cuts {
			t.Errorf("%s: no cut was noticed", name)
		}
	}
}

func TestReaderErrorIsNoRejection(t *testing.T) {
	down := errors.New("the store is down")
	_, err := NewCleaner(Config{}).Clean(t.Context(), iotest.ErrReader(down), "image/png")
	var rejected *Rejected
	if !errors.Is(err, down) || errors.As(err, &rejected) {
		t.Errorf("Clean = %v, want the reader's error", err)
	}
}

// TestOneAtATime keeps the second picture waiting until the first is closed, and lets a waiting one give up.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCleaner(Config{})
		in := samples.PNG(samples.Scene(8, 8), 1)
		for range 2 { // a rejected picture gives its place back
			if _, err := c.Clean(t.Context(), strings.NewReader("no picture"), "image/png"); err == nil {
				t.Fatal("no error")
			}
		}
		first, err := c.Clean(t.Context(), bytes.NewReader(in), "image/png")
		if err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithCancel(t.Context())
		results := make(chan error, 2)
		for _, ctx := range []context.Context{impatient, t.Context()} {
			go func() {
				p, err := c.Clean(ctx, bytes.NewReader(in), "image/png")
				if err == nil {
					p.Close()
				}
				results <- err
			}()
		}
		synctest.Wait()
		if len(results) != 0 {
			t.Fatal("two pictures at a time")
		}
		cancel()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled picture = %v", err)
		}
		synctest.Wait()
		if len(results) != 0 {
			t.Fatal("two pictures at a time")
		}
		first.Close()
		if err := <-results; err != nil {
			t.Error(err)
		}
	})
}

// pictures is one sample for each way through Clean, by "format what".
func pictures(t testing.TB) map[string][]byte {
	scene := samples.Scene(48, 32)
	exif := samples.RIFFChunk("XMP ", []byte(samples.Secret))
	animated := sample(t, "animated.webp")[12:]
	return map[string][]byte{
		"jpeg camera":        samples.JPEG(scene, 1),
		"jpeg turned":        samples.JPEG(scene, 6),
		"png still":          samples.PNG(scene, 1),
		"png turned":         samples.PNG(scene, 8),
		"webp lossless":      samples.WebP(scene, 1),
		"webp turned":        samples.WebP(scene, 5),
		"webp lossy":         samples.Extended(48, 32, sample(t, "lossy.webp")[12:], 1),
		"webp lossy, turned": samples.Extended(48, 32, sample(t, "lossy.webp")[12:], 3),
		"webp alpha":         samples.RIFF(append(sample(t, "alpha.webp")[12:], exif...)),
		"webp animated":      samples.RIFF(append(animated, exif...)),
		"gif animated":       samples.GIF(scene),
	}
}

func contentType(name string) string {
	format, _, _ := strings.Cut(name, " ")
	return "image/" + format
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cleaned(t testing.TB, in []byte, contentType string) *Picture {
	t.Helper()
	p, err := NewCleaner(Config{}).Clean(t.Context(), bytes.NewReader(in), contentType)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t testing.TB, p *Picture) []byte {
	t.Helper()
	b, err := io.ReadAll(p.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameScene compares the middle of each quarter with the scene.
func sameScene(t *testing.T, img image.Image, size image.Point) {
	t.Helper()
	if got := img.Bounds().Size(); got != size {
		t.Fatalf("size %v, want %v", got, size)
	}
	w, h := size.X, size.Y
	for at, want := range map[image.Point]color.NRGBA{
		{X: w / 4, Y: h / 4}:         samples.TopLeft,
		{X: 3 * w / 4, Y: h / 4}:     samples.TopRight,
		{X: w / 4, Y: 3 * h / 4}:     samples.BottomLeft,
		{X: 3 * w / 4, Y: 3 * h / 4}: samples.BottomRight,
	} {
		if got := img.At(at.X, at.Y); !near(got, want) {
			t.Errorf("at %v: %v, want %v", at, color.NRGBAModel.Convert(got), want)
		}
	}
}

// near allows for what JPEG and 4:2:0 do to a colour.
func near(got color.Color, want color.NRGBA) bool {
	c := color.NRGBAModel.Convert(got).(color.NRGBA)
	far := func(a, b uint8) bool { return max(a, b)-min(a, b) > 24 }
	return !far(c.R, want.R) && !far(c.G, want.G) && !far(c.B, want.B)
}
