package media

import (
	"bytes"
	"encoding/binary"
	"image/gif"
)

// The blocks of GIF89a.
const (
	gifExtension = 0x21
	gifImage     = 0x2C
	gifTrailer   = 0x3B

	gifGraphicControl = 0xF9
	gifApplication    = 0xFF
)

type gifStripper struct {
	rest   []byte
	head   []byte // signature, screen and global colours
	out    [][]byte
	frames [][][]byte
	budget *budget
	looped bool
	// control is the graphic control extension that belongs to the next frame.
	control []byte
}

// stripGIF keeps the screen, the colours, the frames with their timing and the loop count. Comments, plain texts, other
// applications' blocks (XMP among them) and whatever follows the trailer stay behind.
func stripGIF(in []byte, b *budget) (*stripped, error) {
	if len(in) < 13 || !bytes.HasPrefix(in, []byte("GIF87a")) && !bytes.HasPrefix(in, []byte("GIF89a")) {
		return nil, undecodable("no GIF")
	}
	s := &gifStripper{rest: in, budget: b}
	head, ok := s.take(13 + colourTable(in[10]))
	if !ok {
		return nil, undecodable("GIF ends in its colours")
	}
	s.head = head
	s.out = [][]byte{head}
	for {
		block, ok := s.take(1)
		if !ok || block[0] == gifTrailer {
			break // many files lack the trailer
		}
		var err error
		switch block[0] {
		case gifExtension:
			err = s.extension()
		case gifImage:
			err = s.image()
		default:
			err = undecodable("GIF block %#x", block[0])
		}
		if err != nil {
			return nil, err
		}
	}
	s.out = append(s.out, []byte{gifTrailer})
	return &stripped{parts: s.out, frames: s.frames, orientation: 1, decode: gif.Decode}, nil
}

func (s *gifStripper) take(n int) ([]byte, bool) {
	if n > len(s.rest) {
		return nil, false
	}
	var taken []byte
	taken, s.rest = s.rest[:n:n], s.rest[n:]
	return taken, true
}

// colourTable is the length of the table that a packed field announces.
func colourTable(packed byte) int {
	if packed&0x80 == 0 {
		return 0
	}
	return 3 << (packed&7 + 1)
}

// subBlocks takes a chain of sub-blocks with its terminator.
func (s *gifStripper) subBlocks() ([]byte, error) {
	n := 0
	for {
		if n >= len(s.rest) {
			return nil, undecodable("GIF ends in a block")
		}
		size := int(s.rest[n])
		n += 1 + size
		if size == 0 {
			break
		}
	}
	chain, ok := s.take(n)
	if !ok {
		return nil, undecodable("GIF ends in a block")
	}
	return chain, nil
}

func (s *gifStripper) extension() error {
	label, ok := s.take(1)
	if !ok {
		return undecodable("GIF ends in an extension")
	}
	chain, err := s.subBlocks()
	if err != nil {
		return err
	}
	switch label[0] {
	case gifGraphicControl:
		if len(chain) != 6 {
			return undecodable("GIF graphic control")
		}
		s.control = append([]byte{gifExtension, gifGraphicControl}, chain...)
	case gifApplication:
		s.loop(chain)
	default:
		s.control = nil // it belonged to a plain text
	}
	return nil
}

// loop keeps the first well-formed loop count: application NETSCAPE2.0 or ANIMEXTS1.0, then 01 and the count.
func (s *gifStripper) loop(chain []byte) {
	name := bytes.HasPrefix(chain, []byte("\x0bNETSCAPE2.0")) || bytes.HasPrefix(chain, []byte("\x0bANIMEXTS1.0"))
	if !name || s.looped || len(chain) < 16 || chain[12] != 3 || chain[13] != 1 {
		return
	}
	s.looped = true
	s.out = append(s.out, []byte{gifExtension, gifApplication}, chain[:16], []byte{0})
}

func (s *gifStripper) image() error {
	start := s.rest
	descriptor, ok := s.take(9)
	if !ok {
		return undecodable("GIF ends in a frame")
	}
	width, height := binary.LittleEndian.Uint16(descriptor[4:]), binary.LittleEndian.Uint16(descriptor[6:])
	// A palette index a pixel, and as much again while an interlaced frame is put in order.
	if err := s.budget.frame(int(width), int(height), 20); err != nil {
		return err
	}
	if _, ok = s.take(colourTable(descriptor[8]) + 1); !ok { // and the code size
		return undecodable("GIF ends in a frame")
	}
	if _, err := s.subBlocks(); err != nil {
		return err
	}
	pixels := start[:len(start)-len(s.rest)]
	s.out = append(s.out, s.control, []byte{gifImage}, pixels)
	s.frames = append(s.frames, [][]byte{s.head, s.control, {gifImage}, pixels, {gifTrailer}})
	s.control = nil
	return nil
}
