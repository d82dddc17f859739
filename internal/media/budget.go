package media

import "fmt"

const (
	// maxFrames bounds an animation: 2,000 frames are over a minute at 30 a second, and no ten-thousand-frame bomb.
	maxFrames = 2000
	// maxAnimatedPixels bounds the work of an animation, summed over its frames: 650 frames of 640 x 480, a few seconds
	// of one core. Memory is bounded by one frame, because frames are decoded one by one.
	maxAnimatedPixels = 200_000_000
	// maxScans bounds the passes of a progressive JPEG: each goes over all blocks, so ten thousand empty ones would be
	// hours of work in a small file. Encoders make about 10.
	maxScans = 40
)

// budget refuses a picture by its headers, before anything is decoded.
type budget struct {
	cfg    Config
	frames int
	pixels int
}

// frame accounts for one frame and for what its decoder allocates for each pixel, in tenths of a byte.
func (b *budget) frame(width, height, tenths int) error {
	if width <= 0 || height <= 0 {
		return undecodable("picture of %d x %d", width, height)
	}
	// Before the product, which could overflow: a picture is at most 2^31 wide.
	if width > b.cfg.MaxPixels || height > b.cfg.MaxPixels || width*height > b.cfg.MaxPixels {
		return tooLarge("%d x %d pixels", width, height)
	}
	if width*height*tenths/10 > b.cfg.MaxMemory {
		return tooLarge("%d x %d pixels take too much memory", width, height)
	}
	b.frames++
	b.pixels += width * height
	if b.frames > maxFrames {
		return tooLarge("over %d frames", maxFrames)
	}
	if b.frames > 1 && b.pixels > maxAnimatedPixels {
		return tooLarge("over %d pixels in all frames", maxAnimatedPixels)
	}
	return nil
}

func tooLarge(format string, args ...any) error {
	return &Rejected{Reason: ReasonTooLarge, Err: fmt.Errorf(format, args...)}
}
