package ingress

import (
	"net/http"
	"slices"
	"strings"

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

// mark puts the headers of a real response, whatever its status: a page must be able to read a refusal too. It takes the
// place of an earlier mark.
func (c *cors) mark(h, request http.Header) {
	h["Vary"] = varyOrigin
	delete(h, "Access-Control-Allow-Origin")
	switch origin := request.Get("Origin"); {
	case origin == "":
	case c.all:
		h["Access-Control-Allow-Origin"] = anyOrigin
	case c.origins[origin] != nil:
		h["Access-Control-Allow-Origin"] = c.origins[origin]
	}
}

// preflight answers 200 with exactly the spec's headers to an origin that may call, and 403 to one that may not: the
// browser stops either way, and the developer reads why. It carries no credentials; the identifier says whose origins
// count, and one that nobody has means the process's. (Echo's own middleware answers 204.)
func (e *endpoint) preflight(c echo.Context) (string, error) {
	w, r := c.Response(), c.Request()
	h := w.Header()
	e.cors.mark(h, r.Header)
	if err := e.limits.allow(r); err != nil {
		return actionPreflight, err
	}
	open, err := e.access.admits(r)
	if err != nil {
		return actionPreflight, err
	}
	allowed := e.cors
	if !open {
		allowed = e.originsOf(r)
	}
	allowed.mark(h, r.Header)
	if origin := r.Header.Get("Origin"); origin != "" && !allowed.allows(origin) {
		return actionPreflight, refuse(codeForeignOrigin)
	}
	h["Access-Control-Allow-Methods"] = allowMethods
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Max-Age"] = maxAge
	w.WriteHeader(http.StatusOK)
	return actionPreflight, nil
}

// originsOf finds the origins that may call a path.
func (e *endpoint) originsOf(r *http.Request) *cors {
	if !e.identified {
		return e.cors
	}
	identity, err := e.channel.Identify(strings.TrimPrefix(r.URL.Path, e.prefix))
	if err != nil {
		return e.cors
	}
	if a := e.guard.peek(r.Context(), accountKey{Tenant: identity.Tenant}); a != nil && a.cors != nil {
		return a.cors
	}
	return e.cors
}
