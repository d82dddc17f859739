package media

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// The colour types of PNG (third edition, 11.2.1).
const (
	pngGray      = 0
	pngTrueColor = 2
	pngPalette   = 3
)

type pngStripper struct {
	out         [][]byte
	colours     [][]byte // the chunks that say what the colours mean
	budget      *budget
	colourType  byte
	orientation int
}

// stripPNG keeps the chunks that make the pixels and their colours. Texts, EXIF, times, unknown chunks and whatever
// follows IEND stay behind; of an animated PNG its default picture is kept.
func stripPNG(in []byte, b *budget) (*stripped, error) {
	if !bytes.HasPrefix(in, []byte(pngSignature)) {
		return nil, undecodable("no PNG")
	}
	s := &pngStripper{out: [][]byte{in[:len(pngSignature)]}, budget: b, orientation: 1}
	var header []byte
	for rest, done := in[len(pngSignature):], false; !done; {
		if len(rest) < 12 {
			return nil, undecodable("PNG ends before IEND")
		}
		n := uint64(binary.BigEndian.Uint32(rest))
		if n+12 > uint64(len(rest)) {
			return nil, undecodable("PNG ends in a chunk")
		}
		name, chunk, payload := string(rest[4:8]), rest[:n+12], rest[8:8+n]
		if (header == nil) != (name == "IHDR") {
			return nil, undecodable("PNG header missing or repeated")
		}
		if name == "IHDR" {
			header = payload
		}
		if err := s.chunk(name, chunk, payload); err != nil {
			return nil, err
		}
		rest, done = rest[n+12:], name == "IEND"
	}
	// Not before all chunks are seen: EXIF may stand anywhere and decides about the second copy.
	if err := s.account(header); err != nil {
		return nil, err
	}
	return &stripped{
		parts:       s.out,
		frames:      [][][]byte{s.out},
		orientation: s.orientation,
		decode:      png.Decode,
		encode:      s.encode,
	}, nil
}

func (s *pngStripper) chunk(name string, chunk, payload []byte) error {
	const smallest = 32 // the largest of the small chunks is cHRM
	switch name {
	case "IHDR", "PLTE", "tRNS", "IDAT", "IEND":
		s.out = append(s.out, chunk)
	case "iCCP":
		s.out = append(s.out, chunk)
		s.colours = append(s.colours, chunk)
	case "gAMA", "cHRM", "sRGB", "cICP":
		if len(payload) <= smallest {
			s.out = append(s.out, chunk)
			s.colours = append(s.colours, chunk)
		}
	case "sBIT", "pHYs", "bKGD":
		if len(payload) <= smallest {
			s.out = append(s.out, chunk)
		}
	case "eXIf":
		if s.orientation == 1 {
			s.orientation = orientation(payload)
		}
	default:
		if 'A' <= name[0] && name[0] <= 'Z' {
			return undecodable("PNG with an unknown critical chunk")
		}
	}
	return nil
}

// account reads IHDR: width, height, bit depth, colour type.
func (s *pngStripper) account(header []byte) error {
	if len(header) != 13 {
		return undecodable("PNG header of %d bytes", len(header))
	}
	width, height := binary.BigEndian.Uint32(header), binary.BigEndian.Uint32(header[4:])
	s.colourType = header[9]
	tenths := 40 // NRGBA, RGBA; gray with tRNS becomes the same
	if s.colourType == pngPalette {
		tenths = 10
	}
	if header[8] == 16 {
		tenths *= 2
	}
	if header[12] != 0 {
		tenths += tenths / 2 // the largest pass of an interlaced picture is half of it
	}
	return s.budget.frame(int(width), int(height), tenths+turning(s.orientation, tenths))
}

// encode writes a turned picture; what its colours mean is kept where the colour type is.
func (s *pngStripper) encode(img image.Image) ([][]byte, error) {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return nil, err
	}
	const header = len(pngSignature) + 25 // IHDR is 13 bytes and the 12 of every chunk
	out := buf.Bytes()
	parts := [][]byte{out[:header]}
	for _, c := range s.colours {
		// Gray may come out of the decoder as RGB, which a profile for gray would spoil.
		if string(c[4:8]) != "iCCP" || s.colourType == pngTrueColor || s.colourType == pngPalette || s.colourType == pngTrueColor|4 {
			parts = append(parts, c)
		}
	}
	return append(parts, out[header:]), nil
}
