package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"time"
)

// The reasons for which a picture is rejected.
const (
	ReasonUndecodable = "undecodable" // damaged, or of a variant that Go's decoders do not know
	ReasonTooLarge    = "too_large"   // over the memory or the work that one picture may cost
)

// ErrBusy says that other pictures were at work the whole time. It says nothing about this one.
var ErrBusy = errors.New("other pictures are at work")

// patience is how long a picture waits for memory. A run of a handler has 30 s: the 20 s left are some ten times what the
// largest picture takes.
const patience = 10 * time.Second

// Rejected says that a picture cannot be made safe. Reason is one of the Reason words.
type Rejected struct {
	Reason string
	Err    error
}

func (e *Rejected) Error() string { return "reject picture as " + e.Reason + ": " + e.Err.Error() }
func (e *Rejected) Unwrap() error { return e.Err }

func undecodable(format string, args ...any) error {
	return &Rejected{Reason: ReasonUndecodable, Err: fmt.Errorf(format, args...)}
}

// Config bounds what cleaning costs. Zero fields take their defaults.
type Config struct {
	// AtOnce is how many pictures are held and decoded at the same time; default 1. Each may hold MaxFile twice (the
	// input, and the output if it was turned) and MaxMemory.
	AtOnce int
	// MaxFile is the largest file, in bytes; default 32 MiB, far over the default upload limit of 10 MiB.
	MaxFile int
	// MaxPixels is the largest picture; default 50 million: the 48 megapixel cameras of phones fit.
	MaxPixels int
	// MaxMemory is what decoding and turning one picture or one frame may take, in bytes; default 256 MiB: 50 million
	// pixels of a camera's JPEG (1.5 bytes each, twice if turned: 150 MB) or of an 8-bit PNG (4 bytes: 200 MB) fit,
	// 35 million of a progressive JPEG (7.5 bytes) do, 33 million of a 16-bit PNG (8 bytes).
	MaxMemory int
}

func (c Config) withDefaults() Config {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&c.AtOnce, 1)
	set(&c.MaxFile, 32<<20)
	set(&c.MaxPixels, 50_000_000)
	set(&c.MaxMemory, 256<<20)
	return c
}

// Cleaner makes pictures safe, a few at a time. It may be used from many goroutines.
type Cleaner struct {
	cfg   Config
	slots chan struct{}
}

// NewCleaner makes a Cleaner.
func NewCleaner(cfg Config) *Cleaner {
	cfg = cfg.withDefaults()
	return &Cleaner{cfg: cfg, slots: make(chan struct{}, cfg.AtOnce)}
}

// Picture is a clean picture and its thumbnail. It holds memory and one of the Cleaner's places until it is closed.
type Picture struct {
	thumbnail []byte
	parts     [][]byte
	free      func()
}

// NewReader reads the clean file.
func (p *Picture) NewReader() io.Reader { return readParts(p.parts) }

// NewThumbnailReader reads the thumbnail: of ThumbnailType, at most 320 x 320, of the first frame.
func (p *Picture) NewThumbnailReader() io.Reader { return bytes.NewReader(p.thumbnail) }

// Close gives the place back. The picture must not be used afterwards.
func (p *Picture) Close() { p.free() }

// Clean reads a picture of the given content type (IsImage must hold for it) and makes it safe: no metadata, no bytes
// after its end, upright, decodable. Where nothing has to be turned the coded pixels stay as they are, bit for bit. It
// waits for a place among the pictures at work, and answers ErrBusy after 10 s in line. A picture that cannot be made safe
// is a *Rejected; any other error is the reader's or the context's.
func (c *Cleaner) Clean(ctx context.Context, r io.Reader, contentType string) (*Picture, error) {
	line := time.NewTimer(patience)
	defer line.Stop()
	select {
	case c.slots <- struct{}{}:
	case <-line.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to clean picture: %w", ctx.Err())
	}
	p, err := c.clean(ctx, r, contentType)
	if err != nil {
		<-c.slots
		return nil, err
	}
	p.free = func() { <-c.slots }
	return p, nil
}

func (c *Cleaner) clean(ctx context.Context, r io.Reader, contentType string) (*Picture, error) {
	var file bytes.Buffer
	if sized, ok := r.(interface{ Size() int64 }); ok { // else growing the buffer would take three times the file
		file.Grow(int(min(sized.Size(), int64(c.cfg.MaxFile))) + bytes.MinRead)
	}
	if _, err := file.ReadFrom(io.LimitReader(r, int64(c.cfg.MaxFile)+1)); err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	in := file.Bytes()
	if len(in) > c.cfg.MaxFile {
		return nil, &Rejected{Reason: ReasonTooLarge, Err: errors.New("too many bytes")}
	}
	p, err := cleanBytes(ctx, in, contentType, c.cfg)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("clean picture: %w", ctx.Err())
	}
	return p, err
}

// cleanBytes strips, then decodes what it stripped: what is served has been seen to decode. A panic of a decoder is
// the fault of the file that made it panic.
func cleanBytes(ctx context.Context, in []byte, contentType string, cfg Config) (p *Picture, err error) {
	defer func() {
		if v := recover(); v != nil {
			p, err = nil, undecodable("decoder panicked")
		}
	}()
	s, err := strip(in, contentType, &budget{cfg: cfg})
	if err != nil {
		return nil, err
	}
	first, err := s.decodeAll(ctx)
	if err != nil {
		return nil, err
	}
	p = &Picture{parts: s.parts}
	if s.orientation > 1 {
		first = upright(first, s.orientation)
		if p.parts, err = s.encode(first); err != nil {
			return nil, undecodable("encode upright picture: %w", err)
		}
	}
	p.thumbnail, err = thumbnail(first)
	return p, err
}

// stripped is a picture without its metadata, taken apart but not decoded.
type stripped struct {
	parts       [][]byte   // the clean file: slices of the input and new headers
	frames      [][][]byte // each frame as a still picture of its own
	orientation int        // EXIF 1 to 8; above 1 the pixels are still to be turned
	decode      func(io.Reader) (image.Image, error)
	encode      func(image.Image) ([][]byte, error) // nil where orientation is always 1
}

func strip(in []byte, contentType string, b *budget) (*stripped, error) {
	switch contentType {
	case jpegType:
		return stripJPEG(in, b)
	case pngType:
		return stripPNG(in, b)
	case gifType:
		return stripGIF(in, b)
	case webpType:
		return stripWebP(in, b)
	}
	return nil, undecodable("%s is no picture", contentType)
}

// decodeAll decodes one frame after the other, keeps the first and drops the others.
func (s *stripped) decodeAll(ctx context.Context) (image.Image, error) {
	var first image.Image
	for i, frame := range s.frames {
		img, err := s.decode(&untilDone{ctx: ctx, r: readParts(frame)})
		if err != nil {
			return nil, undecodable("decode frame %d: %w", i, err)
		}
		if first == nil {
			first = img
		}
	}
	if first == nil || first.Bounds().Empty() {
		return nil, undecodable("no frame")
	}
	return first, nil
}

func readParts(parts [][]byte) io.Reader {
	readers := make([]io.Reader, len(parts))
	for i, part := range parts {
		readers[i] = bytes.NewReader(part)
	}
	return io.MultiReader(readers...)
}

// untilDone ends a decoder, which knows no context, at its next read.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
