package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"testing"

	"github.com/livepipe/livepipe/internal/media/samples"
)

// bombs are small files that would cost a lot to decode.
func bombs(t testing.TB) map[string][]byte {
	scene := samples.Scene(48, 32)
	camera := samples.JPEG(scene, 1)
	frame := bytes.Index(camera, []byte{0xFF, markSOF0})
	scan := bytes.Index(camera, []byte{0xFF, markSOS})
	large := bytes.Clone(camera)
	binary.BigEndian.PutUint32(large[frame+5:], 0xFFFF_FFFF) // 65,535 x 65,535

	animation := samples.GIF(scene)
	loop := bytes.Index(animation, []byte("NETSCAPE2.0"))
	first := loop + len("NETSCAPE2.0") + 5 // 03 01, the count, 00
	second := first + 1 + bytes.Index(animation[first+1:], []byte{0x21, gifGraphicControl})
	hugeFrame := bytes.Clone(animation)
	binary.LittleEndian.PutUint32(hugeFrame[first+8+5:], 0xFFFF_FFFF)

	wideFrame := bytes.Clone(animation)
	binary.LittleEndian.PutUint32(wideFrame[first+8+5:], 8000<<16|8000)

	moving := sample(t, "animated.webp")
	at := bytes.Index(moving, []byte("ANMF"))
	still := 8 + binary.LittleEndian.Uint32(moving[at+4:])
	return map[string][]byte{
		"jpeg of 4 gigapixels":    large,
		"jpeg of 10,000 scans":    append(camera[:scan:scan], bytes.Repeat(camera[scan:len(camera)-60], 10_000)...),
		"png of 50 gigapixels":    widened(samples.PNG(scene, 1), 250_000, 200_000),
		"png beyond 64 bits":      widened(samples.PNG(scene, 1), 0xFFFF_FFFF, 0xFFFF_FFFF),
		"gif of 64 megapixels":    wideFrame, // which would fit the memory
		"png of 16 bits":          deepened(widened(samples.PNG(scene, 1), 7000, 7000)),
		"gif of a huge frame":     hugeFrame,
		"gif of 10,000 frames":    append(animation[:first:first], bytes.Repeat(animation[first:second], 10_000)...),
		"webp of 10,000 frames":   samples.RIFF(append(moving[12:at:at], bytes.Repeat(moving[at:at+int(still)], 10_000)...)),
		"webp of 268 megapixels":  samples.RIFF(samples.RIFFChunk("VP8L", []byte{0x2F, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0})),
		"webp of 50 MP lossless":  samples.RIFF(samples.RIFFChunk("VP8L", vp8l(7000, 7000))),
		"webp turned, 10 million": samples.Extended(3000, 3000, samples.RIFFChunk("VP8L", vp8l(3000, 3000)), 6),
	}
}

// TestBombsAreRefusedBeforeDecoding: what a refusal allocates stays near the size of the file, whatever it claims.
func TestBombsAreRefusedBeforeDecoding(t *testing.T) {
	for name, in := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := cleanBytes(t.Context(), in, contentType(name), Config{}.withDefaults())
			runtime.ReadMemStats(&after)
			var rejected *Rejected
			if !errors.As(err, &rejected) || rejected.Reason != ReasonTooLarge {
				t.Errorf("Clean = %v, want %s", err, ReasonTooLarge)
			}
			if spent := after.TotalAlloc - before.TotalAlloc; spent > 4<<20+2*uint64(len(in)) {
				t.Errorf("allocated %d bytes for a file of %d", spent, len(in))
			}
		})
	}
}

// TestTooManyBytes stops reading at the limit.
func TestTooManyBytes(t *testing.T) {
	c := NewCleaner(Config{MaxFile: 1000})
	_, err := c.Clean(t.Context(), io.LimitReader(endless{}, 1<<40), "image/png")
	var rejected *Rejected
	if !errors.As(err, &rejected) || rejected.Reason != ReasonTooLarge {
		t.Errorf("Clean = %v, want %s", err, ReasonTooLarge)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// widened rewrites the size in the header of a PNG.
func widened(file []byte, width, height uint32) []byte {
	file = bytes.Clone(file)
	binary.BigEndian.PutUint32(file[16:], width)
	binary.BigEndian.PutUint32(file[20:], height)
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

// deepened makes the header of a PNG announce 16 bits a sample.
func deepened(file []byte) []byte {
	file[24] = 16
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

func vp8l(width, height uint32) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{0x2F}, (width-1)|(height-1)<<14), 0, 0, 0)
}
