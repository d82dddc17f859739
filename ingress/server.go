// Package ingress is the HTTP side of livepipe: it checks what comes in, lets the channel decode it, publishes the events
// and answers 200 only once the broker has them on disk. It also answers from history, takes uploads and serves them.
// It knows no channel by name and imports neither router nor workers.
package ingress

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/secrets"
)

// Deps are the rooms that ingress talks to. Every one is needed.
type Deps struct {
	Channels []channels.Channel
	// Publisher returns once every message is durable, or fails when the context of the messages ends.
	Publisher  message.Publisher
	History    History
	Uploads    Uploads
	Blobs      *blobs.Store
	Accounts   Accounts
	Secrets    *secrets.Key // opens what Accounts keeps sealed
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// closeConnection is a header value that responses share: nobody writes to it.
var closeConnection = []string{"close"}

// Server is the HTTP handler. It starts no goroutine of its own, so there is nothing to close.
type Server struct {
	config   Config
	log      *slog.Logger
	echo     *echo.Echo
	cors     *cors
	access   *access
	guard    *guard
	limits   *limits
	rates    *accountRates
	metrics  *metrics
	bus      *publisher
	accepted *accepted
	history  History
	uploads  Uploads
	blobs    *blobs.Store
}

// New makes the handler. The error tells all that is wrong with the configuration.
func New(c Config, d Deps) (*Server, error) {
	if err := errors.Join(c.Validate(), d.validate(c)); err != nil {
		return nil, fmt.Errorf("configure ingress: %w", err)
	}
	m, err := newMetrics(d.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register metrics of ingress: %w", err)
	}
	limits, faultLimits := newLimits(c)
	rates, faultRates := newAccountRates()
	guard, faultGuard := newGuard(d, m)
	accepted, faultAccepted := newAccepted()
	bus, faultBus := newPublisher(d.Publisher, c.PublishTimeout, m)
	if err := errors.Join(faultLimits, faultRates, faultGuard, faultAccepted, faultBus); err != nil {
		return nil, fmt.Errorf("make ingress: %w", err)
	}
	c.MediaURL = strings.TrimRight(c.MediaURL, "/")
	origins := newCORS(c.Origins)
	s := &Server{
		config: c, log: d.Logger, echo: echo.New(), cors: origins, limits: limits, rates: rates, metrics: m,
		accepted: accepted, guard: guard, history: d.History, uploads: d.Uploads, blobs: d.Blobs, bus: bus,
		access: newAccess(c, origins, d.Accounts),
	}
	return s, s.route(d.Channels)
}

func (d Deps) validate(c Config) error {
	if d.Publisher == nil || d.History == nil || d.Uploads == nil || d.Blobs == nil || d.Accounts == nil || d.Secrets == nil ||
		d.Logger == nil || d.Registerer == nil {
		return errors.New("a dependency is missing")
	}
	if c.MediaRedirect != 0 && !d.Blobs.CanSign() {
		return errors.New("LIVEPIPE_MEDIA_REDIRECT needs files in S3 (LIVEPIPE_BLOBS=s3://...): a directory has no signed URLs")
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		setReadDeadline(w, jsonTimeout) // whoever reads it
	}
	if len(r.TransferEncoding) > 0 {
		// net/http takes chunks and drops a Content-Length beside them without a word. A proxy that believed the length has
		// another idea of where the next request begins, so there must be none: RFC 9112, section 6.3.
		w.Header()["Connection"] = closeConnection
	}
	s.echo.ServeHTTP(w, r)
}

// HTTPServer makes a server that runs the handler with all that bounds what one connection can take.
func (s *Server) HTTPServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // and no other: there are no streams to open and reset without end
	return &http.Server{
		Protocols:         protocols,
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout, // bodies have deadlines of their own, so there is no ReadTimeout
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// net/http would answer "OPTIONS *" itself and wait for its body without a deadline.
		DisableGeneralOptionsHandler: true,
	}
}
