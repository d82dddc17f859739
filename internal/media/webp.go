package media

import (
	"bytes"
	"encoding/binary"
	"image"

	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/webp"
)

// The flags of VP8X (WebP Container Specification, "Extended File Format").
const (
	webpAnimated = 0x02
	webpAlpha    = 0x10
	webpICC      = 0x20
)

// What Go's decoders take for each pixel, in tenths of a byte.
const (
	lossyTenths    = 15  // 4:2:0
	losslessTenths = 80  // NRGBA, twice while a transform is undone; the code tables take up to 170 MB more
	alphaTenths    = 105 // the plane is decoded as a lossless picture, then copied, beside 4:2:0
	webpEncode     = 580 // what nativewebp 0.9.3 was measured to allocate: 4 million turned pixels fit the default
)

type chunk struct {
	name string
	data []byte
}

// bytes is the chunk with its header and padding.
func (c chunk) bytes() [][]byte {
	head := binary.LittleEndian.AppendUint32([]byte(c.name), uint32(len(c.data)))
	return [][]byte{head, c.data, make([]byte, len(c.data)%2)}
}

// readChunks takes a RIFF body apart; bytes after the last whole chunk are left.
func readChunks(body []byte) []chunk {
	var all []chunk
	for len(body) >= 8 {
		n := uint64(binary.LittleEndian.Uint32(body[4:]))
		if 8+n > uint64(len(body)) {
			break
		}
		all = append(all, chunk{string(body[:4]), body[8 : 8+n : 8+n]})
		body = body[min(8+n+n%2, uint64(len(body))):]
	}
	return all
}

func riff(chunks ...chunk) [][]byte {
	var body [][]byte
	size := 4
	for _, c := range chunks {
		body = append(body, c.bytes()...)
		size += 8 + len(c.data) + len(c.data)%2
	}
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(size))
	return append([][]byte{append(head, "WEBP"...)}, body...)
}

// vp8x is the header chunk of an extended file.
func vp8x(flags byte, width, height int) chunk {
	data := make([]byte, 10)
	data[0] = flags
	put24(data[4:], width-1)
	put24(data[7:], height-1)
	return chunk{"VP8X", data}
}

func put24(p []byte, v int) { p[0], p[1], p[2] = byte(v), byte(v>>8), byte(v>>16) }
func get24(p []byte) int    { return int(p[0]) | int(p[1])<<8 | int(p[2])<<16 }

type webpStripper struct {
	budget      *budget
	header      *chunk // VP8X
	icc, anim   *chunk
	still       bitstream
	animated    []chunk // clean ANMF chunks
	frames      [][][]byte
	orientation int
	width       int
	height      int
}

// stripWebP keeps the pictures, their timing and the ICC profile. EXIF, XMP, unknown chunks and whatever follows the
// RIFF body stay behind. The orientation of an animation is not applied: nothing writes such files.
func stripWebP(in []byte, b *budget) (*stripped, error) {
	if len(in) < 12 || string(in[:4]) != "RIFF" || string(in[8:12]) != "WEBP" {
		return nil, undecodable("no WebP")
	}
	end := min(8+uint64(binary.LittleEndian.Uint32(in[4:])), uint64(len(in)))
	s := &webpStripper{budget: b, orientation: 1}
	chunks := readChunks(in[12:max(end, 12)])
	for _, c := range chunks { // EXIF stands after the picture, yet decides about its cost
		if c.name == "EXIF" && s.orientation == 1 {
			s.orientation = orientation(c.data)
		}
	}
	for _, c := range chunks {
		if err := s.chunk(c); err != nil {
			return nil, err
		}
	}
	if len(s.animated) > 0 {
		return s.animation()
	}
	return s.picture()
}

func (s *webpStripper) chunk(c chunk) error {
	switch c.name {
	case "VP8X":
		if s.header != nil || len(c.data) != 10 {
			return undecodable("WebP header")
		}
		s.header = &c
		s.width, s.height = get24(c.data[4:])+1, get24(c.data[7:])+1
	case "ICCP":
		s.icc = &c
	case "ANIM":
		s.anim = &c
	case "ANMF":
		return s.frame(c)
	case "ALPH", "VP8 ", "VP8L":
		s.still.add(c)
	}
	return nil
}

// picture puts a still picture together: bare if it was, else with a new header.
func (s *webpStripper) picture() (*stripped, error) {
	width, height, err := s.still.size()
	if err != nil {
		return nil, err
	}
	if s.header != nil && (width != s.width || height != s.height) {
		return nil, undecodable("WebP picture of another size than its canvas")
	}
	if err := s.budget.frame(width, height, s.still.tenths()+turning(s.orientation, webpEncode)); err != nil {
		return nil, err
	}
	file := []chunk{*s.still.pixels}
	if s.header != nil {
		flags := s.header.data[0] & webpAlpha & s.still.mayHaveAlpha()
		if s.still.alpha != nil {
			flags = webpAlpha
			file = []chunk{*s.still.alpha, *s.still.pixels}
		}
		file = s.extended(flags, file...)
	}
	parts := riff(file...)
	return &stripped{
		parts:       parts,
		frames:      [][][]byte{parts},
		orientation: s.orientation,
		decode:      webp.Decode,
		encode:      s.encode,
	}, nil
}

// extended puts the header and the profile before the chunks.
func (s *webpStripper) extended(flags byte, chunks ...chunk) []chunk {
	if s.icc != nil {
		chunks = append([]chunk{*s.icc}, chunks...)
		flags |= webpICC
	}
	return append([]chunk{vp8x(flags, s.width, s.height)}, chunks...)
}

// animation puts the frames back together.
func (s *webpStripper) animation() (*stripped, error) {
	if s.header == nil || s.anim == nil || len(s.anim.data) != 6 {
		return nil, undecodable("WebP animation without its header")
	}
	flags := s.header.data[0]&webpAlpha | webpAnimated
	file := s.extended(flags, append([]chunk{*s.anim}, s.animated...)...)
	return &stripped{parts: riff(file...), frames: s.frames, orientation: 1, decode: webp.Decode}, nil
}

// encode writes a turned picture, without loss because nothing else writes WebP in Go, with the profile it had.
func (s *webpStripper) encode(img image.Image) ([][]byte, error) {
	var buf bytes.Buffer
	if err := nativewebp.Encode(&buf, img, nil); err != nil {
		return nil, err
	}
	chunks := readChunks(buf.Bytes()[12:])
	if s.icc == nil || len(chunks) != 1 {
		return riff(chunks...), nil
	}
	s.width, s.height = img.Bounds().Dx(), img.Bounds().Dy()
	return riff(s.extended(webpAlpha, chunks...)...), nil
}
