package ingress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/media"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// Uploads knows what became of uploads.
type Uploads interface {
	// Media returns what was decided about an upload, or store.ErrUnknownMedia.
	Media(ctx context.Context, id string) (store.Media, error)
}

// thumbnailSuffix follows the media id in the path of its thumbnail.
const thumbnailSuffix = "/thumbnail"

// mediaMethods is the Allow header of files.
var mediaMethods = []string{"GET, HEAD, OPTIONS"}

// routeMedia registers the paths of files.
func (s *Server) routeMedia() {
	for route, find := range map[string]func(echo.Context, store.Media) (served, bool){
		"/media/:file":                   s.wholeFile,
		"/media/:file" + thumbnailSuffix: s.thumbnail,
	} {
		h := s.observe(route, s.serveMedia(find))
		s.echo.GET(route, h)
		s.echo.HEAD(route, h)
		s.echo.RouteNotFound(route, h)
	}
}

// served is one way to serve an upload.
type served struct {
	key         string
	contentType string
	etag        string
	name        string
	inline      bool
}

// How long caches keep an answer. A released file never changes, and whoever has its URL may read it: so a CDN may keep
// it as long as it likes, for everybody. Every other answer may be another one a second later, and 404 and 410 are kept
// by caches that nobody forbids it (RFC 9110, section 15.1).
var (
	keepForever = []string{"public, max-age=31536000, immutable"}
	keepNothing = []string{"no-store"}
)

// serveMedia serves what is released. The id is the capability to read: whoever was given it needs no credentials, as an
// <img> in a page could not send any.
func (s *Server) serveMedia(find func(echo.Context, store.Media) (served, bool)) handler {
	return func(c echo.Context) (string, error) {
		w, r := c.Response(), c.Request()
		s.cors.mark(w.Header(), r.Header)
		w.Header()["Cache-Control"] = keepNothing // until a file is there to be kept
		if err := s.limits.allow(r); err != nil {
			return actionMedia, err
		}
		if err := s.access.checkPublic(r); err != nil {
			return actionMedia, err
		}
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodOptions:
			w.Header()["Allow"] = mediaMethods
			w.WriteHeader(http.StatusOK)
			return actionMedia, nil
		default:
			w.Header()["Allow"] = mediaMethods
			return actionMedia, refuse(codeMethod)
		}
		m, err := s.decided(r.Context(), mediaID(c))
		if err != nil {
			return actionMedia, err
		}
		file, ok := find(c, m)
		if !ok {
			return actionMedia, refuse(codeMediaNotFound)
		}
		if s.config.MediaRedirect > 0 {
			return actionMedia, s.redirectToFile(c, file)
		}
		return actionMedia, s.serveFile(c, file)
	}
}

func mediaID(c echo.Context) string {
	id, _, _ := strings.Cut(c.Param("file"), ".")
	return id
}

func (s *Server) wholeFile(c echo.Context, m store.Media) (served, bool) {
	kind, _, _ := strings.Cut(m.File.ContentType, "/")
	return served{
		key: messages.ReleasedKey(m.File.ID), contentType: m.File.ContentType, etag: m.ETag, name: m.File.Name,
		inline: kind == "image" || kind == "audio" || kind == "video", // raster images only: SVG is never taken
	}, c.Param("file") == m.File.ID+m.File.Extension
}

func (s *Server) thumbnail(c echo.Context, m store.Media) (served, bool) {
	return served{
		key: messages.ThumbnailKey(m.File.ID), contentType: media.ThumbnailType, etag: m.ETag + "-thumbnail",
		name: "thumbnail.jpg", inline: true,
	}, m.HasThumbnail && c.Param("file") == m.File.ID
}

// decided finds out what became of an upload, and waits a little for one that is still being looked at.
func (s *Server) decided(ctx context.Context, id string) (store.Media, error) {
	if !messages.IsMediaID(id) {
		return store.Media{}, refuse(codeMediaNotFound)
	}
	var m store.Media
	pending := false
	err := poll(ctx, waitAccepted, func() (bool, error) {
		var err error
		if m, err = s.uploads.Media(ctx, id); !errors.Is(err, store.ErrUnknownMedia) {
			return true, err
		}
		if pending { // decided comes before the blob goes, so it need not be looked for again
			return false, nil
		}
		if pending, err = s.blobs.Exists(ctx, messages.PendingKey(id)); err != nil || pending {
			return false, err
		}
		if m, err = s.uploads.Media(ctx, id); errors.Is(err, store.ErrUnknownMedia) { // not decided in between either
			return true, refuse(codeMediaNotFound)
		}
		return true, err
	})
	switch {
	case err != nil:
		return m, err
	case m.State == store.MediaReleased:
		return m, nil
	case m.State == store.MediaRejected:
		return m, refuse(codeMediaRejected)
	}
	return m, refuse(codeMediaNotReady)
}

// serveFile answers with the bytes, whole or in ranges. No browser is let to find its own meaning in them.
func (s *Server) serveFile(c echo.Context, file served) error {
	w, r := c.Response(), c.Request()
	// As long for a slow reader, and for a slow bucket, as for a slow sender.
	ctx, cancel := context.WithTimeout(r.Context(), uploadTimeout)
	defer cancel()
	b, err := s.blobs.Get(ctx, file.key)
	if errors.Is(err, blobs.ErrNotFound) {
		return refuse(codeMediaNotFound)
	}
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	defer b.Close()
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Content-Disposition", disposition(file.inline, file.name))
	h.Set("ETag", `"`+file.etag+`"`)
	h["Cache-Control"] = keepForever
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	_ = http.NewResponseController(w.Writer).SetWriteDeadline(time.Now().Add(uploadTimeout))
	http.ServeContent(w, r, "", b.ModTime(), b)
	return nil
}

// disposition is RFC 6266: an ASCII name for old readers and the real one beside it.
func disposition(inline bool, name string) string {
	how := "attachment"
	if inline {
		how = "inline"
	}
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return how + `; filename="` + ascii + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// mediaURL is where a file is reached.
func (s *Server) mediaURL(f messages.File) string {
	return s.config.MediaURL + "/" + f.ID + f.Extension
}
