package ingress

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/livepipe/livepipe/internal/blobs"
)

// redirectToFile lets S3 serve the bytes. The redirect itself is never kept, so every reading begins here, where it is
// known what became of the upload, and the URL that was given out stays the only lasting one. S3 answers with our type and
// disposition but cannot be told to send nosniff or a sandbox policy: so what a browser might make of the bytes happens on
// a host where no page of ours lives.
func (s *Server) redirectToFile(c echo.Context, file served) error {
	w, r := c.Response(), c.Request()
	valid := s.config.MediaRedirect
	target, err := s.blobs.SignedURL(r.Context(), r.Method, file.key, valid, blobs.Headers{
		ContentType:        file.contentType,
		ContentDisposition: disposition(file.inline, file.name),
		CacheControl:       "private, max-age=" + strconv.FormatInt(int64(valid/time.Second), 10),
	})
	if err != nil {
		return fmt.Errorf("redirect to file: %w", err)
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}
