package ingress

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/livepipe/livepipe/channels"
)

// handler answers a request or returns why not, and says which action it was.
type handler func(c echo.Context) (action string, err error)

// route registers every path. There is no Echo middleware: it would be chained anew for every request.
func (s *Server) route(all []channels.Channel) error {
	s.echo.HTTPErrorHandler = func(err error, c echo.Context) {
		_ = s.observe(routeUnknown, func(echo.Context) (string, error) { return actionUnknown, err })(c)
	}
	for _, channel := range all {
		for _, e := range channel.Endpoints {
			endpoint, err := newEndpoint(s, channel, e)
			if err != nil {
				return err
			}
			pattern := endpoint.prefix
			if endpoint.identified {
				pattern += "*"
			}
			h := s.observe(e.Path, endpoint.serve)
			s.echo.POST(pattern, h)
			s.echo.OPTIONS(pattern, s.observe(e.Path, endpoint.preflight))
			s.echo.RouteNotFound(pattern, h) // every other method, so that all of them are checked in the same order
		}
	}
	s.routeMedia()
	return nil
}

// observe answers the errors of a handler, counts what was answered and keeps a panic to its request.
func (s *Server) observe(route string, h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		action, err := s.recovered(h, c)
		status := c.Response().Status
		if err != nil && !c.Response().Committed {
			status = s.answer(c.Response(), c.Request(), err)
		}
		took := time.Since(start)
		s.metrics.answered(route, action, status, took)
		if s.log.Enabled(context.Background(), slog.LevelDebug) {
			s.log.LogAttrs(context.Background(), slog.LevelDebug, "request", slog.String("route", route),
				slog.String("action", action), slog.Int("code", status), slog.Duration("took", took))
		}
		return nil
	}
}

// recovered turns a panic into an internal error.
func (s *Server) recovered(h handler, c echo.Context) (action string, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			action = actionUnknown
			err = &refusal{code: codeInternal, cause: fmt.Errorf("panic of %s\n%s", describe(p), debug.Stack())}
		}
	}()
	return h(c)
}

// describe tells what the runtime says about a panic. Of any other value it tells the type only: it may quote a message.
func describe(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}
