package samples

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"

	"github.com/HugoSmits86/nativewebp"
)

// tail follows the end of every picture, as in polyglots and in the second pictures of phones.
const tail = "<script>" + Secret + "</script>PK\x03\x04"

// ICC takes the place of a colour profile, which is kept.
var ICC = bytes.Repeat([]byte("colour profile "), 20)

// JPEG is the scene as a camera writes it.
func JPEG(scene image.Image, orientation int) []byte {
	var buf bytes.Buffer
	must(jpeg.Encode(&buf, stored(scene, orientation), &jpeg.Options{Quality: 95}))
	plain := buf.Bytes()
	segment := func(marker byte, payload string) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(2+len(payload))), payload...)
	}
	exif := string(EXIF(orientation, binary.BigEndian))
	return bytes.Join([][]byte{
		plain[:2],
		segment(0xE0, "JFIF\x00\x01\x02\x00\x00\x48\x00\x48\x01\x04"+Secret+Secret), // a thumbnail of 1 x 4
		segment(0xE0, "JFXX\x00\x10"+Secret),
		segment(0xE1, "Exif\x00\x00"+exif),
		segment(0xE1, "http://ns.adobe.com/xap/1.0/\x00"+xmp),
		segment(0xE2, "ICC_PROFILE\x00\x01\x01"+string(ICC)),
		segment(0xE2, "MPF\x00"+Secret),
		segment(0xED, "Photoshop 3.0\x008BIM\x04\x04"+Secret), // IPTC
		segment(0xFE, Secret+" comment"),
		plain[2:], []byte(tail),
	}, nil)
}

// PNG is the scene with texts, EXIF, a time and a private chunk.
func PNG(scene image.Image, orientation int) []byte {
	var buf, packed bytes.Buffer
	must(png.Encode(&buf, stored(scene, orientation)))
	z := zlib.NewWriter(&packed)
	_, err := z.Write(ICC)
	must(err)
	must(z.Close())
	plain := buf.Bytes()
	header, end := plain[:33], len(plain)-12
	return bytes.Join([][]byte{
		header,
		pngChunk("iCCP", "icc\x00\x00"+packed.String()),
		pngChunk("gAMA", "\x00\x00\xb1\x8f"),
		pngChunk("tEXt", "Comment\x00"+Secret),
		pngChunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00"+xmp),
		pngChunk("tIME", Secret+"!"),
		plain[33:end],
		pngChunk("eXIf", string(EXIF(orientation, binary.LittleEndian))),
		pngChunk("prVt", Secret),
		plain[end:], []byte(tail),
	}, nil)
}

func pngChunk(name, payload string) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), name+payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// WebP is the scene, lossless, with EXIF, XMP, a profile and a private chunk.
func WebP(scene image.Image, orientation int) []byte {
	var buf bytes.Buffer
	img := stored(scene, orientation)
	must(nativewebp.Encode(&buf, img, nil))
	return Extended(img.Rect.Dx(), img.Rect.Dy(), buf.Bytes()[12:], orientation)
}

// Extended dresses the chunks of a bare still WebP with metadata.
func Extended(width, height int, picture []byte, orientation int) []byte {
	const icc, exif, xmpFlag = 0x20, 0x08, 0x04
	header := []byte{icc | exif | xmpFlag, 0, 0, 0, byte(width - 1), byte((width - 1) >> 8), 0, byte(height - 1), byte((height - 1) >> 8), 0}
	return RIFF(bytes.Join([][]byte{
		RIFFChunk("VP8X", header),
		RIFFChunk("ICCP", ICC),
		RIFFChunk("prVt", []byte(Secret)),
		picture,
		RIFFChunk("EXIF", EXIF(orientation, binary.LittleEndian)),
		RIFFChunk("XMP ", []byte(xmp)),
	}, nil))
}

// RIFF is a WebP file of the chunks, and a tail.
func RIFF(chunks []byte) []byte {
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(chunks)))
	return bytes.Join([][]byte{head, []byte("WEBP"), chunks, []byte(tail)}, nil)
}

// RIFFChunk is one chunk with its padding.
func RIFFChunk(name string, data []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data))), data...)
	return append(b, make([]byte, len(data)%2)...)
}

// GIF is an animation of the scene and two smaller frames, which loops 7 times, with a comment, XMP and a plain text.
func GIF(scene image.Image) []byte {
	palette := color.Palette{TopLeft, TopRight, BottomLeft, BottomRight, color.Transparent}
	var all gif.GIF
	for i := range 3 {
		frame := image.NewPaletted(scene.Bounds().Inset(4*i), palette)
		for y := frame.Rect.Min.Y; y < frame.Rect.Max.Y; y++ {
			for x := frame.Rect.Min.X; x < frame.Rect.Max.X; x++ {
				frame.Set(x, y, scene.At(x, y))
			}
		}
		all.Image = append(all.Image, frame)
		all.Delay = append(all.Delay, 10*(i+1))
		all.Disposal = append(all.Disposal, gif.DisposalNone)
	}
	all.LoopCount = 7
	all.Config = image.Config{Width: scene.Bounds().Dx(), Height: scene.Bounds().Dy(), ColorModel: palette}
	var buf bytes.Buffer
	must(gif.EncodeAll(&buf, &all))
	plain := buf.Bytes()
	head := 13 + 3<<(plain[10]&7+1)
	text := "\x0c" + "\x00\x00\x00\x00\x08\x00\x08\x00\x08\x08\x00\x01"
	return bytes.Join([][]byte{
		plain[:head],
		[]byte("\x21\xfe\x06" + Secret + "\x00"),
		[]byte("\x21\xff\x0bXMP DataXMP\x06" + Secret + "\x00"),
		[]byte("\x21\xf9\x04\x00\x00\x00\x00\x00\x21\x01" + text + "\x06" + Secret + "\x00"),
		plain[head:], []byte(tail),
	}, nil)
}

// must stops a test whose sample cannot be made.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
