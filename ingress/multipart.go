package ingress

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/livepipe/livepipe/channels"
)

// Bounds of a form. Together with the file's they bound the body, and none but the file's content is ever kept on disk.
const (
	// maxParts is the three that mean something and some that a browser's form may add.
	maxParts = 16
	// maxPartHead bounds the boundary and the headers of one part, and what the parser reads ahead (4 KiB).
	maxPartHead = 16 << 10
	// maxSmallPart bounds the parts beside the file; their values are names.
	maxSmallPart = 4 << 10
	// maxForm is what the form may add to the file.
	maxForm = maxParts * (maxPartHead + maxSmallPart)
)

// form is a received upload.
type form struct {
	file     *scratch
	size     int64
	hash     hash.Hash
	filename string // as the sender calls it: not safe yet
}

func (f *form) close() {
	if f.file != nil {
		f.file.close()
	}
}

func (f *form) digest() string { return hex.EncodeToString(f.hash.Sum(nil)) }

// receiver reads a form part by part.
type receiver struct {
	dir    string
	limit  int64
	budget *budget
	seen   map[string]bool
	form   *form
}

// boundaryOf wants a form with a boundary.
func boundaryOf(r *http.Request) (string, error) {
	if err := wantPlain(r); err != nil {
		return "", err
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "multipart/form-data" {
		return "", refuseField(codeContentType, "Content-Type", "This action takes multipart/form-data.")
	}
	if boundary := params["boundary"]; err == nil && boundary != "" && len(boundary) <= 70 { // RFC 2046, section 5.1.1
		return boundary, nil
	}
	return "", refuseField(codeInvalidMultipart, "Content-Type", "The Content-Type has no valid boundary.")
}

// receiveForm streams the file of a form to a scratch file and reads the body to its end. The caller closes the form.
func receiveForm(body io.Reader, boundary, dir string, limit int64) (*form, error) {
	b := &budget{r: body}
	r := receiver{dir: dir, limit: limit, budget: b, seen: make(map[string]bool, 3), form: &form{hash: sha256.New()}}
	if err := r.parts(multipart.NewReader(b, boundary)); err != nil {
		r.form.close()
		return nil, err
	}
	return r.form, nil
}

func (r *receiver) parts(parts *multipart.Reader) error {
	for range maxParts + 1 {
		r.budget.allow(maxPartHead, refuseField(codeInvalidMultipart, "", "The headers of a part are too long."))
		part, err := parts.NextRawPart()
		if err == io.EOF { // not wrapped: the closing boundary was read
			return r.complete()
		}
		if err != nil {
			return explainPart(err)
		}
		if err := r.part(part); err != nil {
			return err
		}
	}
	return refuseField(codeInvalidMultipart, "", "The form has too many parts.")
}

func (r *receiver) complete() error {
	// What follows the closing boundary means nothing (RFC 2046, section 5.1.1), but a body is whole only at its end.
	r.budget.allow(maxPartHead, refuseField(codeInvalidMultipart, "", "Too much follows the form."))
	_, err := io.Copy(io.Discard, r.budget)
	switch {
	case err != nil:
		return explainPart(err)
	case r.form.file == nil:
		return refuseField(channels.CodeMissingField, "file", "The form needs a part with the name file.")
	case r.form.size == 0:
		return refuseField(channels.CodeInvalidField, "file", "The file is empty.")
	}
	return nil
}

func (r *receiver) part(p *multipart.Part) error {
	name := p.FormName()
	known := name == "file" || name == "filename" || name == "content_type"
	if known && r.seen[name] {
		return refuseField(codeInvalidMultipart, name, "The part occurs more than once.")
	}
	if strings.HasPrefix(strings.ToLower(p.Header.Get("Content-Type")), "multipart/") {
		return refuseField(codeInvalidMultipart, "", "A form inside a form is not taken.")
	}
	switch strings.ToLower(p.Header.Get("Content-Transfer-Encoding")) {
	case "", "binary", "8bit", "7bit":
	default: // deprecated by RFC 7578, section 4.7
		return refuseField(codeInvalidMultipart, "", "Parts must not be encoded.")
	}
	if known {
		r.seen[name] = true
	}
	if name == "file" {
		return r.file(p)
	}
	value, err := r.small(p)
	if name == "filename" && value != "" {
		r.form.filename = value
	}
	return err
}

// small reads a part that holds a name.
func (r *receiver) small(p *multipart.Part) (string, error) {
	r.budget.allow(maxSmallPart+maxPartHead, refuseField(codeInvalidMultipart, "", "A part other than the file is too long."))
	value, err := io.ReadAll(io.LimitReader(p, maxSmallPart+1))
	if err != nil {
		return "", explainPart(err)
	}
	if len(value) > maxSmallPart {
		return "", refuseField(codeInvalidMultipart, "", "A part other than the file is too long.")
	}
	return string(value), nil
}

// file streams the part to disk and hashes it on the way.
func (r *receiver) file(p *multipart.Part) error {
	scratch, err := newScratch(r.dir)
	if err != nil {
		return err
	}
	r.form.file = scratch
	if r.form.filename == "" { // a part "filename" has the last word
		r.form.filename = p.FileName()
	}
	r.budget.allow(r.limit+maxPartHead, refuse(codeTooLarge))
	r.form.size, err = scratch.fill(io.TeeReader(io.LimitReader(p, r.limit+1), r.form.hash))
	if err != nil {
		return explainPart(err)
	}
	if r.form.size > r.limit {
		return refuse(codeTooLarge)
	}
	return nil
}

// explainPart tells a malformed form from a body that was cut, took too long or grew too large.
func explainPart(err error) error {
	refused := classify(err)
	if refused.code != codeInternal {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return refuse(codeIncompleteBody)
	}
	return refuse(codeInvalidMultipart)
}

// budget lets only so many bytes through for each step, so that no step can make the parser hold more in memory than
// the step is worth.
type budget struct {
	r    io.Reader
	left int64
	over error
}

func (b *budget) allow(n int64, over error) { b.left, b.over = n, over }

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("read form: %w", b.over)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}
