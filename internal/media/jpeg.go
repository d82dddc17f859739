package media

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
)

// The markers of ITU-T T.81, table B.1, that matter here.
const (
	markSOF0, markSOF1, markSOF2 = 0xC0, 0xC1, 0xC2
	markDHT                      = 0xC4
	markRST0, markRST7           = 0xD0, 0xD7
	markSOI, markEOI             = 0xD8, 0xD9
	markSOS, markDQT, markDRI    = 0xDA, 0xDB, 0xDD
	markAPP0, markAPP1, markAPP2 = 0xE0, 0xE1, 0xE2
	markAPP14, markAPP15         = 0xEE, 0xEF
	markCOM                      = 0xFE
)

// turnedQuality is that of a picture that had to be turned: visually the same as what phones write.
const turnedQuality = 92

type jpegStripper struct {
	in          []byte
	out         [][]byte
	icc         [][]byte
	budget      *budget
	framed      bool
	scans       int
	components  int
	rgb         bool // the samples are RGB, not YCbCr
	orientation int
}

// stripJPEG keeps the segments that make the pixels and their colours: tables, frame, scans, ICC profile, Adobe's
// colour transform and a bare JFIF header. All else (EXIF, XMP, IPTC, comments, embedded thumbnails, further pictures
// after the end) stays behind.
func stripJPEG(in []byte, b *budget) (*stripped, error) {
	if len(in) < 4 || in[0] != 0xFF || in[1] != markSOI {
		return nil, undecodable("no JPEG")
	}
	s := &jpegStripper{in: in, out: [][]byte{in[:2]}, budget: b, orientation: 1}
	for pos := 2; ; {
		marker, at := s.nextMarker(pos)
		if marker == markEOI || at < 0 {
			break
		}
		if at+2 > len(in) {
			return nil, undecodable("JPEG ends in a segment")
		}
		end := at + int(binary.BigEndian.Uint16(in[at:]))
		if end < at+2 || end > len(in) {
			return nil, undecodable("JPEG ends in a segment")
		}
		if marker == markSOS {
			end = endOfScan(in, end)
		}
		if err := s.segment(marker, in[at-2:end]); err != nil {
			return nil, err
		}
		pos = end
	}
	if !s.framed || s.scans == 0 {
		return nil, undecodable("JPEG without a picture")
	}
	s.out = append(s.out, []byte{0xFF, markEOI})
	return &stripped{
		parts:       s.out,
		frames:      [][][]byte{s.out},
		orientation: s.orientation,
		decode:      jpeg.Decode,
		encode:      s.encode,
	}, nil
}

// nextMarker finds the next marker that has a segment, or the end; the place is that of the segment's length, negative
// where the input ends. Stray bytes between segments are skipped as decoders do, and so stay behind.
func (s *jpegStripper) nextMarker(pos int) (marker byte, at int) {
	for ; pos+1 < len(s.in); pos++ {
		m := s.in[pos+1]
		if s.in[pos] != 0xFF || m == 0xFF || m == 0 || markRST0 <= m && m <= markRST7 {
			continue
		}
		return m, pos + 2
	}
	return 0, -1
}

// endOfScan finds the marker after coded pixels, in which FF is followed by 00, a restart marker or fill bytes.
func endOfScan(in []byte, pos int) int {
	for ; pos+1 < len(in); pos++ {
		m := in[pos+1]
		if in[pos] == 0xFF && m != 0 && m != 0xFF && (m < markRST0 || m > markRST7) {
			return pos
		}
	}
	return len(in)
}

func (s *jpegStripper) segment(marker byte, seg []byte) error {
	payload := seg[4:]
	switch {
	case marker == markSOF0 || marker == markSOF1 || marker == markSOF2:
		s.out = append(s.out, seg)
		return s.frame(marker, payload)
	case marker == markSOS:
		if s.scans++; s.scans > maxScans {
			return tooLarge("over %d scans", maxScans)
		}
		s.out = append(s.out, seg)
	case marker == markDHT || marker == markDQT || marker == markDRI:
		s.out = append(s.out, seg)
	case marker == markAPP0 && bytes.HasPrefix(payload, []byte("JFIF\x00")) && len(payload) >= 14:
		// Version, units and density, and a thumbnail of 0 x 0 in place of what may follow.
		s.out = append(s.out, []byte{0xFF, markAPP0, 0, 16}, payload[:12], []byte{0, 0})
	case marker == markAPP1 && bytes.HasPrefix(payload, []byte("Exif\x00\x00")):
		if s.orientation == 1 && !s.framed { // where it belongs, and before its cost is counted
			s.orientation = orientation(payload)
		}
	case marker == markAPP2 && bytes.HasPrefix(payload, []byte("ICC_PROFILE\x00")):
		s.out = append(s.out, seg)
		s.icc = append(s.icc, seg)
	case marker == markAPP14 && bytes.HasPrefix(payload, []byte("Adobe")) && len(payload) >= 12:
		s.out = append(s.out, []byte{0xFF, markAPP14, 0, 14}, payload[:12])
		s.rgb = payload[11] == 0
	case markAPP0 <= marker && marker <= markAPP15 || marker == markCOM:
	default:
		return undecodable("JPEG marker %#x", marker)
	}
	return nil
}

// frame reads the header of the frame: precision, height, width, components with their sampling (T.81, B.2.2).
func (s *jpegStripper) frame(marker byte, p []byte) error {
	if s.framed || len(p) < 6 || len(p) < 6+3*int(p[5]) {
		return undecodable("JPEG frame header")
	}
	s.framed = true
	s.components = int(p[5])
	height, width := int(binary.BigEndian.Uint16(p[1:])), int(binary.BigEndian.Uint16(p[3:]))
	samples, widest := 0, 1
	for i := range s.components {
		sampling := int(p[6+3*i+1]>>4) * int(p[6+3*i+1]&15)
		samples += sampling
		widest = max(widest, sampling)
	}
	picture := max(10, 10*samples/widest) // a byte a sample: 30 for 4:4:4, 15 for 4:2:0
	tenths := picture
	if marker == markSOF2 {
		tenths += 4 * picture // Go keeps a coefficient of 4 bytes for each sample beside it
	}
	if s.components == 4 || s.rgb {
		picture = 40 // becomes CMYK or RGBA
		tenths += picture
	}
	return s.budget.frame(width, height, tenths+turning(s.orientation, picture))
}

// turning adds the second copy of a picture that has to be turned.
func turning(orientation, tenths int) int {
	if orientation == 1 {
		return 0
	}
	return tenths
}

// encode writes a turned picture with the ICC profile it had, unless its colour space had to change.
func (s *jpegStripper) encode(img image.Image) ([][]byte, error) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: turnedQuality}); err != nil {
		return nil, err
	}
	out := buf.Bytes()
	parts := [][]byte{out[:2]}
	if s.components != 4 {
		parts = append(parts, s.icc...)
	}
	return append(parts, out[2:]), nil
}
