package media

import (
	"encoding/binary"
	"slices"
)

// bitstream is one coded picture of a WebP file: lossy, with or without an alpha plane, or lossless.
type bitstream struct {
	alpha, pixels *chunk
}

// add takes a chunk in; of repeated ones the first counts.
func (b *bitstream) add(c chunk) {
	switch {
	case c.name == "ALPH" && b.alpha == nil && b.pixels == nil:
		b.alpha = &c
	case c.name != "ALPH" && b.pixels == nil:
		b.pixels = &c
		if c.name == "VP8L" {
			b.alpha = nil // it carries its own
		}
	}
}

// size reads the header of the coded picture (RFC 6386, 9.1, and RFC 9649, 3.4).
func (b *bitstream) size() (width, height int, err error) {
	switch {
	case b.pixels == nil:
	case b.pixels.name == "VP8 " && len(b.pixels.data) >= 10 && string(b.pixels.data[3:6]) == "\x9d\x01\x2a":
		d := b.pixels.data
		return int(binary.LittleEndian.Uint16(d[6:]) & 0x3FFF), int(binary.LittleEndian.Uint16(d[8:]) & 0x3FFF), nil
	case b.pixels.name == "VP8L" && len(b.pixels.data) >= 5 && b.pixels.data[0] == 0x2F:
		bits := binary.LittleEndian.Uint32(b.pixels.data[1:])
		return int(bits&0x3FFF) + 1, int(bits>>14&0x3FFF) + 1, nil
	}
	return 0, 0, undecodable("WebP without a picture")
}

// tenths is what decoding takes for each pixel.
func (b *bitstream) tenths() int {
	switch {
	case b.pixels.name == "VP8L":
		return losslessTenths
	case b.alpha != nil:
		return alphaTenths
	}
	return lossyTenths
}

// mayHaveAlpha masks the alpha flag of the file: a lossy picture without a plane has none.
func (b *bitstream) mayHaveAlpha() byte {
	if b.pixels.name == "VP8L" {
		return webpAlpha
	}
	return 0
}

// frame cleans one frame of an animation: place, size, duration and flags in 16 bytes, then a coded picture.
func (s *webpStripper) frame(c chunk) error {
	const header = 16
	if len(c.data) < header {
		return undecodable("WebP frame")
	}
	var coded bitstream
	for _, sub := range readChunks(c.data[header:]) {
		if slices.Contains([]string{"ALPH", "VP8 ", "VP8L"}, sub.name) {
			coded.add(sub)
		}
	}
	width, height, err := coded.size()
	if err != nil {
		return err
	}
	x, y := 2*get24(c.data), 2*get24(c.data[3:])
	if width != get24(c.data[6:])+1 || height != get24(c.data[9:])+1 || x+width > s.width || y+height > s.height {
		return undecodable("WebP frame of another size than it says")
	}
	if err := s.budget.frame(width, height, coded.tenths()); err != nil {
		return err
	}
	inner, alone := []chunk{*coded.pixels}, []chunk{*coded.pixels}
	if coded.alpha != nil {
		inner = []chunk{*coded.alpha, *coded.pixels}
		alone = append([]chunk{vp8x(webpAlpha, width, height)}, inner...)
	}
	data := c.data[:header:header]
	for _, sub := range inner {
		for _, part := range sub.bytes() {
			data = append(data, part...)
		}
	}
	s.animated = append(s.animated, chunk{"ANMF", data})
	s.frames = append(s.frames, riff(alone...))
	return nil
}
