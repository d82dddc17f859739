package ingress

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
)

// Header values that every response shares: nobody writes to them.
var (
	varyOrigin   = []string{"Origin"}
	allowMethods = []string{"POST, OPTIONS"}
	allowHeaders = []string{"Content-Type, Authorization"}
	maxAge       = []string{"86400"} // 24 hours
	anyOrigin    = []string{"*"}
)

// cors knows which pages may read our answers. Credentials are never allowed for: there are no cookies, and a bearer
// token is sent by the page itself.
type cors struct {
	all     bool
	origins map[string][]string // an origin and the header value that allows it
}

func newCORS(origins []string) *cors {
	c := &cors{all: slices.Contains(origins, "*"), origins: make(map[string][]string, len(origins))}
	for _, origin := range origins {
		c.origins[origin] = []string{origin}
	}
	return c
}

func (c *cors) allows(origin string) bool { return c.all || c.origins[origin] != nil }

// mark puts the headers of a real response, whatever its status: a page must be able to read a refusal too.
func (c *cors) mark(h, request http.Header) {
	h["Vary"] = varyOrigin
	switch origin := request.Get("Origin"); {
	case origin == "":
	case c.all:
		h["Access-Control-Allow-Origin"] = anyOrigin
	case c.origins[origin] != nil:
		h["Access-Control-Allow-Origin"] = c.origins[origin]
	}
}

// preflight answers 200 with exactly the spec's headers to an origin that may call, and 403 to one that may not: the
// browser stops either way, and the developer reads why. It carries no credentials, so it says nothing about the
// identifier. (Echo's own middleware answers 204.)
func (s *Server) preflight(c echo.Context) (string, error) {
	w, r := c.Response(), c.Request()
	h := w.Header()
	s.cors.mark(h, r.Header)
	if err := s.access.checkPublic(r); err != nil {
		return actionPreflight, err
	}
	if origin := r.Header.Get("Origin"); origin != "" && !s.cors.allows(origin) {
		return actionPreflight, refuse(codeForeignOrigin)
	}
	h["Access-Control-Allow-Methods"] = allowMethods
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Max-Age"] = maxAge
	w.WriteHeader(http.StatusOK)
	return actionPreflight, nil
}
