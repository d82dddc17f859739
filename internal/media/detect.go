package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// headLength is how much mimetype looks at.
const headLength = 4096

// Detect says what the file is, by its bytes, from the start of r, and leaves r at the start. It reads the first 4 KiB;
// of office files also the directory (up to 1 MiB), of old ones everything, holding at most 64 KiB and the zip
// directory. A file of no kind that is taken is a *Refused; any other error is the reader's.
func Detect(r io.ReadSeeker) (Kind, error) {
	kind, err := detect(r)
	if _, back := r.Seek(0, io.SeekStart); back != nil && err == nil {
		err = fmt.Errorf("rewind file: %w", back)
	}
	return kind, err
}

func detect(r io.ReadSeeker) (Kind, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Kind{}, fmt.Errorf("rewind file: %w", err)
	}
	head := make([]byte, headLength)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Kind{}, fmt.Errorf("read file: %w", err)
	}
	head = head[:n]
	if n == 0 {
		return Kind{}, &Refused{Found: "application/x-empty"}
	}
	found := mimetype.Detect(head)
	name, _, _ := strings.Cut(found.String(), ";")
	switch {
	case within(found, "application/zip"):
		return officeArchive(r, name)
	case within(found, "application/x-ole-storage"):
		return officeCompound(r, name)
	}
	kind, ok := allowed[name]
	if !ok {
		return Kind{}, &Refused{Found: name}
	}
	return refine(kind, head)
}

// within reports whether a type is the named one or was found inside it.
func within(m *mimetype.MIME, name string) bool {
	for ; m != nil; m = m.Parent() {
		if m.Is(name) {
			return true
		}
	}
	return false
}

// refine settles what mimetype leaves open.
func refine(k Kind, head []byte) (Kind, error) {
	switch {
	case strings.HasPrefix(k.ContentType, "text/") && startsWithMarkup(head):
		return Kind{}, &Refused{Found: "text/html"}
	case k.ContentType == "video/webm" && !bytes.Contains(head, []byte("V_")) && bytes.Contains(head, []byte("A_")):
		return Kind{"audio/webm", ".webm"}, nil // the codec ids of all tracks start so (Matroska, Codec Mappings)
	}
	return k, nil
}

// startsWithMarkup is wider than the HTML of mimetype: any tag, comment, declaration or template at the start, in UTF-16
// too, because somebody may serve or open the file as what it looks like.
func startsWithMarkup(head []byte) bool {
	text := bytes.ReplaceAll(head, []byte{0}, nil)
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		text = bytes.TrimPrefix(text, []byte(mark))
	}
	text = bytes.TrimLeft(text, " \t\r\n\f\v")
	if len(text) < 2 || text[0] != '<' {
		return false
	}
	c := text[1] | 0x20 // letters in lower case
	return 'a' <= c && c <= 'z' || strings.IndexByte("!?/%", text[1]) >= 0
}
