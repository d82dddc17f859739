package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf16"
)

// directoryBudget is how much of an archive is read to list it: at least 46 bytes an entry make 22,795 entries of about
// 300 bytes each, under 7 MiB, whatever counts the archive claims. Real documents have some hundred entries.
const directoryBudget = 1 << 20

// contentTypesLimit bounds what is inflated of [Content_Types].xml, whatever it claims: real ones have some KiB.
const contentTypesLimit = 256 << 10

// officeArchive decides what a zip archive is: OOXML (ISO/IEC 29500-2) by its content types, OpenDocument by its first
// entry. Archives with macros, of any other sort, or damaged, are refused.
func officeArchive(r io.ReadSeeker, found string) (Kind, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return Kind{}, fmt.Errorf("measure file: %w", err)
	}
	at := &budgetReaderAt{r: r, left: directoryBudget}
	archive, err := zip.NewReader(at, size)
	if at.err != nil {
		return Kind{}, fmt.Errorf("read file: %w", at.err)
	}
	if err != nil {
		return Kind{}, &Refused{Found: "application/zip"}
	}
	for _, f := range archive.File {
		if refused := refusedEntry(f.Name); refused != "" {
			return Kind{}, &Refused{Found: refused}
		}
	}
	for _, kind := range []Kind{odt, ods, odp} {
		if found == kind.ContentType {
			return kind, nil
		}
	}
	at.left = 2 * contentTypesLimit // the directory has spent its own
	kind, ok := byContentTypes(archive)
	if at.err != nil {
		return Kind{}, fmt.Errorf("read file: %w", at.err)
	}
	switch {
	case kind == macros:
		return Kind{}, &Refused{Found: macroType}
	case ok:
		return kind, nil
	case strings.HasPrefix(found, "application/vnd.openxmlformats"): // only its first entries look so
		found = "application/zip"
	}
	return Kind{}, &Refused{Found: found}
}

// refusedEntry names the type of an archive that no document is, by the name of one of its entries.
func refusedEntry(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
	switch base := path.Base(name); {
	case base == "vbaproject.bin" || base == "vbadata.xml":
		return macroType
	case strings.HasPrefix(name, "basic/") || strings.HasPrefix(name, "scripts/"): // OpenDocument
		return macroType
	case name == "meta-inf/manifest.mf":
		return "application/java-archive"
	}
	return ""
}

// macroType is what documents with macros are called, of whatever application.
const macroType = "application/vnd.ms-office.macroEnabled"

// byContentTypes reads the list of OOXML; false if there is none, or if it names no document that is taken.
func byContentTypes(archive *zip.Reader) (Kind, bool) {
	i := slices.IndexFunc(archive.File, func(f *zip.File) bool { return f.Name == "[Content_Types].xml" })
	if i < 0 {
		return Kind{}, false
	}
	f, err := archive.File[i].Open()
	if err != nil {
		return Kind{}, false
	}
	defer func() { _ = f.Close() }()
	list, err := io.ReadAll(io.LimitReader(f, contentTypesLimit))
	if err != nil {
		return Kind{}, false
	}
	for _, kind := range []Kind{macros, docx, xlsx, pptx} {
		if bytes.Contains(list, []byte(inContentTypes(kind))) {
			return kind, true
		}
	}
	return Kind{}, false
}

// inContentTypes is the text by which the list names a kind.
func inContentTypes(k Kind) string {
	if k == macros {
		return "macroEnabled"
	}
	return k.ContentType + ".main+xml"
}

// budgetReaderAt reads at places of a seeker until a budget is spent. It keeps the reader's own error apart from what is
// wrong with the archive.
type budgetReaderAt struct {
	r    io.ReadSeeker
	left int
	err  error
}

var (
	errBudget = errors.New("archive directory is too large")
	errOffset = errors.New("archive points before its own start")
)

func (b *budgetReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBudget
	}
	if off < 0 { // what the archive says of itself, and no fault of the reader
		return 0, errOffset
	}
	if _, err := b.r.Seek(off, io.SeekStart); err != nil {
		b.err = err
		return 0, err
	}
	n, err := io.ReadFull(b.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// officeCompound decides what an old office file is by the names in its directory ([MS-CFB], 2.6.1: entries of 128 bytes,
// at multiples of 128, the name in UTF-16LE, its length with the final NUL at 64). The directory may stand anywhere, so
// every 128 bytes are looked at; text that imitates an entry can only cause a refusal or one of the three kinds.
func officeCompound(r io.ReadSeeker, found string) (Kind, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Kind{}, fmt.Errorf("rewind file: %w", err)
	}
	var kind Kind
	buf := make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(r, buf)
		for at := 0; at+128 <= n; at += 128 {
			switch k := compoundEntry(buf[at : at+128]); {
			case k == macros:
				return Kind{}, &Refused{Found: macroType}
			case k != Kind{} && kind == Kind{}:
				kind = k
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return Kind{}, fmt.Errorf("read file: %w", err)
		}
	}
	if kind == (Kind{}) || strings.HasSuffix(found, "installer") || strings.HasSuffix(found, "outlook") {
		return Kind{}, &Refused{Found: found}
	}
	return kind, nil
}

// macros marks the directory entries that hold Visual Basic.
var macros = Kind{ContentType: macroType}

// compoundEntry reads one directory entry; the zero Kind for one that decides nothing.
func compoundEntry(entry []byte) Kind {
	n := int(binary.LittleEndian.Uint16(entry[64:]))
	if n < 4 || n > 64 || n%2 != 0 || entry[n-2] != 0 || entry[n-1] != 0 {
		return Kind{}
	}
	units := make([]uint16, n/2-1)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(entry[2*i:])
	}
	switch string(utf16.Decode(units)) {
	case "VBA", "_VBA_PROJECT", "_VBA_PROJECT_CUR", "Macros":
		return macros
	case "WordDocument":
		return doc
	case "Workbook", "Book":
		return xls
	case "PowerPoint Document":
		return ppt
	}
	return Kind{}
}
