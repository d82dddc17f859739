package ingress

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// readBody reads a whole body of at most limit bytes, however its length is declared, before the deadline of ServeHTTP.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) (*bytes.Buffer, error) {
	b := buffers.Get().(*bytes.Buffer)
	if err := fill(b, w, r, limit); err != nil {
		release(b)
		return nil, err
	}
	return b, nil
}

func fill(b *bytes.Buffer, w http.ResponseWriter, r *http.Request, limit int64) error {
	switch {
	case r.ContentLength > limit:
		w.Header().Set("Connection", "close") // rather than read what we refuse
		return refuse(codeTooLarge)
	case r.ContentLength == 0:
		return nil
	}
	if _, err := b.ReadFrom(&capped{r.Body, limit}); err != nil {
		return explainRead(err)
	}
	return nil
}

// capped fails at the first byte beyond its limit. (http.MaxBytesReader would need the connection's own writer.)
type capped struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if c.left < 0 {
		return n, refuse(codeTooLarge)
	}
	return n, err
}

// explainRead tells a body that is too large or too slow from one that was cut or is framed wrongly. None is our fault.
func explainRead(err error) error {
	var refused *refusal
	if errors.As(err, &refused) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return refuse(codeIncompleteBody)
}

// setReadDeadline ends the reading of a body that takes too long, here and in net/http, which reads what a handler left
// before it answers. At the end of the body net/http lifts it.
func setReadDeadline(w http.ResponseWriter, d time.Duration) {
	// An error means that the connection has no deadlines, as in tests without a network.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d))
}

// wantJSON refuses bodies that are not plain JSON in UTF-8. An empty body needs no type.
func wantJSON(r *http.Request, empty bool) error {
	if err := wantPlain(r); err != nil {
		return err
	}
	declared := r.Header.Get("Content-Type")
	if declared == "application/json" || empty && declared == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(declared)
	charset, has := params["charset"]
	if err != nil || media != "application/json" || has && !strings.EqualFold(charset, "utf-8") {
		return refuseField(codeContentType, "Content-Type", "This action takes application/json in UTF-8.")
	}
	return nil
}

// wantPlain refuses encoded bodies: nothing here is worth compressing, and a few bytes could unpack to gigabytes.
func wantPlain(r *http.Request) error {
	switch encoding := r.Header.Get("Content-Encoding"); {
	case encoding == "", strings.EqualFold(encoding, "identity"):
		return nil
	}
	return refuse(codeContentEncoding)
}
