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

// sameOrigin reports whether a page of the origin asks for its own host, which is nothing that CORS is about.
func sameOrigin(origin, host string) bool {
	return origin == "http://"+host || origin == "https://"+host
}

// checkPage refuses a page that the account does not allow, where the account has origins of its own. The preflight cannot
// do that for the origins of the process: it would tell everybody that there is such an account.
func (a *account) checkPage(w http.Header, r *http.Request) error {
	if a.cors == nil {
		return nil
	}
	a.cors.mark(w, r.Header)
	origin := r.Header.Get("Origin")
	if origin == "" || a.cors.allows(origin) || sameOrigin(origin, r.Host) {
		return nil
	}
	return refuse(codeForeignOrigin)
}

// preflight answers 200 with exactly the spec's headers to an origin that may call, and 403 to one that may not: the
// browser stops either way, and the developer reads why. It carries no credentials, so it must not tell whether an account
// exists: an origin of the process gets the same answer whatever the identifier, without a look-up. Any other is asked of
// the identifier's account, and whoever does not know one of its own origins gets the answer of no account at all. (Echo's
// own middleware answers 204.)
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
	if origin := r.Header.Get("Origin"); origin != "" && !e.cors.allows(origin) {
		own := (*cors)(nil)
		if !open {
			own = e.ownOrigins(r, origin)
		}
		if own == nil {
			return actionPreflight, refuse(codeForeignOrigin)
		}
		own.mark(h, r.Header)
	}
	h["Access-Control-Allow-Methods"] = allowMethods
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Max-Age"] = maxAge
	w.WriteHeader(http.StatusOK)
	return actionPreflight, nil
}

// ownOrigins finds the origins of the path's account, if this is one of them.
func (e *endpoint) ownOrigins(r *http.Request, origin string) *cors {
	if !e.identified {
		return nil
	}
	identity, err := e.channel.Identify(strings.TrimPrefix(r.URL.Path, e.prefix))
	if err != nil {
		return nil
	}
	return e.guard.ownOrigins(r.Context(), accountKey{Tenant: identity.Tenant}, origin)
}
