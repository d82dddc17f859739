package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/media/samples"
)

// TestDetectTakes lists what is taken, whatever the sender called it.
func TestDetectTakes(t *testing.T) {
	scene := samples.Scene(8, 8)
	for _, c := range []struct {
		what    string
		content []byte
		want    Kind
	}{
		{"JPEG", samples.JPEG(scene, 1), Kind{"image/jpeg", ".jpg"}},
		{"PNG", samples.PNG(scene, 1), Kind{"image/png", ".png"}},
		{"animated PNG", apng(samples.PNG(scene, 1)), Kind{"image/png", ".png"}},
		{"GIF", samples.GIF(samples.Scene(48, 32)), Kind{"image/gif", ".gif"}},
		{"WebP", samples.WebP(scene, 1), Kind{"image/webp", ".webp"}},
		{"animated WebP", sample(t, "animated.webp"), Kind{"image/webp", ".webp"}},

		{"MP3 with tag", append([]byte("ID3\x03\x00\x00\x00\x00\x00\x0aTIT2\x00\x00\x00\x00\x00\x00"), mp3Frames()...), Kind{"audio/mpeg", ".mp3"}},
		{"MP3", mp3Frames(), Kind{"audio/mpeg", ".mp3"}},
		{"M4A", mp4("M4A "), Kind{"audio/mp4", ".m4a"}},
		{"AAC", []byte("\xff\xf1\x50\x80\x02\x1f\xfc\xde\x02\x00"), Kind{"audio/aac", ".aac"}},
		{"Ogg Opus", ogg("OpusHead\x01\x02"), Kind{"audio/ogg", ".ogg"}},
		{"Ogg Vorbis", ogg("\x01vorbis\x00\x00"), Kind{"audio/ogg", ".ogg"}},
		{"WAV", []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), Kind{"audio/wav", ".wav"}},
		{"FLAC", []byte("fLaC\x00\x00\x00\x22\x10\x00\x10\x00"), Kind{"audio/flac", ".flac"}},
		{"WebM audio", webm("A_OPUS"), Kind{"audio/webm", ".webm"}},

		{"MP4", mp4("isom"), Kind{"video/mp4", ".mp4"}},
		{"M4V", mp4("M4V "), Kind{"video/mp4", ".mp4"}},
		{"QuickTime", mp4("qt  "), Kind{"video/quicktime", ".mov"}},
		{"WebM video", webm("V_VP9\x00A_OPUS"), Kind{"video/webm", ".webm"}},
		{"Ogg Theora", ogg("\x80theora\x03\x02"), Kind{"video/ogg", ".ogv"}},

		{"PDF", []byte("%PDF-1.7\n1 0 obj\n"), Kind{"application/pdf", ".pdf"}},
		{"text", []byte("Grüß Gott,\n\nwie geht es Ihnen?\n"), Kind{"text/plain", ".txt"}},
		{"text in Latin-1", []byte("Gr\xfc\xdf Gott\n"), Kind{"text/plain", ".txt"}},
		{"text in UTF-16", utf16LE("\ufeffhello there"), Kind{"text/plain", ".txt"}},
		{"text with tabs", []byte("a\tb\tc\n1\t2\t3\n4\t5\t6\n"), Kind{"text/plain", ".txt"}},
		{"text with less-than", []byte("a < b, and <3 to you"), Kind{"text/plain", ".txt"}},
		{"CSV", []byte("name,age,town\nAda,36,London\nAlan,41,Wilmslow\n"), Kind{"text/csv", ".csv"}},

		{"DOCX", ooxml("word/document.xml", docx.ContentType), docx},
		{"XLSX", ooxml("xl/workbook.xml", xlsx.ContentType), xlsx},
		{"PPTX", ooxml("ppt/presentation.xml", pptx.ContentType), pptx},
		{"ODT", odf(odt.ContentType), odt},
		{"ODS", odf(ods.ContentType), ods},
		{"ODP", odf(odp.ContentType), odp},
		{"DOC", compound("WordDocument", "1Table"), doc},
		{"DOC, directory at the end", append(compound()[:512], append(make([]byte, 100<<10), compound("WordDocument")[512:]...)...), doc},
		{"XLS", compound("Workbook"), xls},
		{"XLS of Excel 95", compound("Book"), xls},
		{"PPT", compound("Current User", "PowerPoint Document"), ppt},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := bytes.NewReader(c.content)
			got, err := Detect(r)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			if at, _ := r.Seek(0, io.SeekCurrent); at != 0 {
				t.Errorf("reader left at %d", at)
			}
		})
	}
}

// TestDetectRefuses lists what is not, and what it is then called.
func TestDetectRefuses(t *testing.T) {
	for _, c := range []struct {
		what    string
		content []byte
		want    string
	}{
		{"nothing", nil, "application/x-empty"},
		{"HTML", []byte("<!DOCTYPE html><html><body>hi</body></html>"), "text/html"},
		{"HTML without a head", []byte("\n\t <script>alert(1)</script>"), "text/html"},
		{"HTML after a byte-order mark", []byte("\xef\xbb\xbf<p onclick=x>"), "text/html"},
		{"HTML in UTF-16", utf16LE("\ufeff<html><script>"), "text/html"},
		{"unknown tag", []byte("<custom-element onload=x>"), "text/html"},
		{"closing tag", []byte("</textarea><script>"), "text/html"},
		{"server page", []byte("<% Response.Write(1) %>"), "text/html"},
		{"SVG", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="x"/>`), "image/svg+xml"},
		{"SVG with declaration", []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`), "image/svg+xml"},
		{"XML", []byte(`<?xml version="1.0"?><root/>`), "text/xml"},
		{"PHP", []byte("<?php system($_GET['c']);"), "text/x-php"},
		{"shell", []byte("#!/bin/sh\nrm -rf /\n"), "text/x-shellscript"},
		{"Python", []byte("#!/usr/bin/env python\nimport os\n"), "text/x-python"},
		{"JavaScript", []byte("#!/usr/bin/env node\nprocess.exit()\n"), "text/javascript"},
		{"JSON", []byte(`{"a": [1, 2]}`), "application/json"},
		{"RTF", []byte(`{\rtf1\ansi hello}`), "text/rtf"},
		{"ELF", []byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\x3e\x00"), "application/x-executable"},
		{"PE", []byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff"), "application/vnd.microsoft.portable-executable"},
		{"Mach-O", []byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00\x02\x00\x00\x00\x10\x00\x00\x00"), "application/x-mach-binary"},
		{"WebAssembly", []byte("\x00asm\x01\x00\x00\x00"), "application/wasm"},
		{"Java class", []byte("\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10"), "application/x-java-applet"},
		{"shortcut", []byte("L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00F"), "application/x-ms-shortcut"},
		{"JAR", archive("META-INF/MANIFEST.MF", "Manifest-Version: 1.0", "A.class", ""), "application/java-archive"},
		{"ZIP", archive("a.txt", "hello"), "application/zip"},
		{"damaged ZIP", archive("a.txt", "hello")[:40], "application/zip"},
		{"gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), "application/gzip"},
		{"7z", []byte("7z\xbc\xaf\x27\x1c\x00\x04"), "application/x-7z-compressed"},
		{"RAR", []byte("Rar!\x1a\x07\x01\x00"), "application/vnd.rar"},
		{"HEIC", mp4("heic"), "image/heic"},
		{"AVIF", mp4("avif"), "image/avif"},
		{"TIFF", []byte("II*\x00\x08\x00\x00\x00"), "image/tiff"},
		{"BMP", []byte("BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"), "image/bmp"},
		{"ICO", []byte("\x00\x00\x01\x00\x01\x00\x10\x10"), "image/x-icon"},
		{"PostScript", []byte("%!PS-Adobe-3.0\n"), "application/postscript"},
		{"Flash", []byte("CWS\x0a\x00\x00\x00\x00"), "application/x-shockwave-flash"},
		{"mail", []byte("From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nDate: Mon, 1 Jan 2026 00:00:00 +0000\r\n\r\nhi"), "message/rfc822"},
		{"bytes of no kind", []byte("\x01\x02\x03\x04\x05\x06\x07\x08"), "application/octet-stream"},

		{"DOCM", ooxml("word/document.xml", "application/vnd.ms-word.document.macroEnabled.main+xml"), macroType},
		{"DOCX with macros", archive("[Content_Types].xml", types(docx.ContentType+".main+xml"), "word/vbaProject.bin", "x"), macroType},
		{"macros in another case", archive("[Content_Types].xml", types(docx.ContentType+".main+xml"), `WORD\VBAPROJECT.BIN`, "x"), macroType},
		{"XLSB", ooxml("xl/workbook.bin", "application/vnd.ms-excel.sheet.binary"), "application/zip"},
		{"DOCX and JAR in one", archive("[Content_Types].xml", types(docx.ContentType+".main+xml"), "META-INF/MANIFEST.MF", "x"), "application/java-archive"},
		{"ODT with macros", append(odf(odt.ContentType, "Basic/Standard/Module1.xml", "x"), 0), macroType},
		{"ODT template", odf("application/vnd.oasis.opendocument.text-template"), "application/vnd.oasis.opendocument.text-template"},
		{"DOC with macros", compound("WordDocument", "Macros", "VBA"), macroType},
		{"XLS with macros", compound("Workbook", "_VBA_PROJECT_CUR"), macroType},
		{"installer", compound("\u4840\u3b3f\u43f2"), "application/x-ole-storage"},
		{"archive of 40,000 entries", manyEntries(40_000), "application/zip"},
	} {
		t.Run(c.what, func(t *testing.T) {
			kind, err := Detect(bytes.NewReader(c.content))
			var refused *Refused
			if !errors.As(err, &refused) || refused.Found != c.want {
				t.Errorf("Detect = %v, %v; want it refused as %s", kind, err, c.want)
			}
		})
	}
}

// TestDetectReaderFails: an outage of the store is no refusal.
func TestDetectReaderFails(t *testing.T) {
	down := errors.New("the store is down")
	for name, content := range map[string][]byte{"at once": nil, "in the archive": ooxml("word/document.xml", docx.ContentType), "in the compound file": compound("Workbook")} {
		_, err := Detect(&failing{Reader: bytes.NewReader(content), reads: min(len(content), 1), err: down})
		if !errors.Is(err, down) {
			t.Errorf("reader fails %s: %v, want the reader's error", name, err)
		}
	}
}

// failing reads a few times, then fails.
type failing struct {
	*bytes.Reader
	reads int
	err   error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.reads--; f.reads < 0 {
		return iotest.ErrReader(f.err).Read(p)
	}
	return f.Reader.Read(p)
}

func mp4(brand string) []byte {
	return []byte("\x00\x00\x00\x14ftyp" + brand + "\x00\x00\x02\x00" + brand + "\x00\x00\x00\x08moov")
}

func ogg(codec string) []byte {
	return []byte("OggS\x00\x02" + strings.Repeat("\x00", 20) + "\x01\x13" + codec + strings.Repeat("\x00", 20))
}

func webm(codecs string) []byte {
	return []byte("\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm\x42\x87\x81\x04\x86\x86" + codecs)
}

// mp3Frames is three frames of MPEG-1 layer III at 128 kbit/s and 44.1 kHz: 144 x 128,000 / 44,100 = 417 bytes each.
func mp3Frames() []byte {
	return bytes.Repeat(append([]byte{0xFF, 0xFB, 0x90, 0x00}, make([]byte, 413)...), 3)
}

func utf16LE(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// apng announces an animation, as the chunk before the first IDAT.
func apng(file []byte) []byte {
	return bytes.Join([][]byte{file[:33], []byte("\x00\x00\x00\x08acTL\x00\x00\x00\x01\x00\x00\x00\x00\xb9\x3d\x77\x9e"), file[33:]}, nil)
}

// archive is a zip file of names and contents in turn.
func archive(entries ...string) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(entries); i += 2 {
		size := uint64(len(entries[i+1]))
		header := &zip.FileHeader{Name: entries[i], CompressedSize64: size, UncompressedSize64: size}
		create := w.CreateHeader
		if header.Name == "mimetype" || size == 0 {
			create = w.CreateRaw // stored, without a data descriptor and extra fields, as OpenDocument asks for
		} else {
			header.Method = zip.Deflate
		}
		f, err := create(header)
		if err != nil {
			panic(err)
		}
		if _, err := io.WriteString(f, entries[i+1]); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func types(main string) string {
	return `<Types><Override PartName="/main.xml" ContentType="` + main + `"/></Types>`
}

func ooxml(main, contentType string) []byte {
	if !strings.HasSuffix(contentType, "+xml") {
		contentType += ".main+xml"
	}
	return archive("[Content_Types].xml", types(contentType), "_rels/.rels", "<Relationships/>", main, "<x/>")
}

func odf(contentType string, more ...string) []byte {
	return archive(append([]string{"mimetype", contentType, "content.xml", "<x/>", "META-INF/manifest.xml", "<x/>"}, more...)...)
}

func manyEntries(n int) []byte {
	entries := []string{"[Content_Types].xml", types(docx.ContentType + ".main+xml")}
	for range n {
		entries = append(entries, "word/x", "")
	}
	return archive(entries...)
}

// compound is an old office file: a header of 512 bytes and a directory.
func compound(names ...string) []byte {
	b := make([]byte, 512)
	copy(b, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	b[26] = 3 // version: sectors of 512 bytes
	for _, name := range append([]string{"Root Entry"}, names...) {
		entry := make([]byte, 128)
		n := copy(entry, utf16LE(name))
		binary.LittleEndian.PutUint16(entry[64:], uint16(n+2))
		b = append(b, entry...)
	}
	return append(b, make([]byte, 512)...)
}
