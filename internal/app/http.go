package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// callers runs an HTTP server and knows who is being served.
type callers struct {
	server *http.Server
	log    *slog.Logger
	busy   sync.Map // net.Conn that has begun a request
}

func newCallers(server *http.Server, log *slog.Logger) *callers {
	c := &callers{server: server, log: log}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateActive {
			c.busy.Store(conn, nil)
		} else {
			c.busy.Delete(conn)
		}
	}
	return c
}

// serve takes calls until shutdown.
func (c *callers) serve(listener net.Listener) error {
	if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// shutdown takes no more calls and waits for those under way until ctx ends. Who is not done by then is cut off, which is
// no failure: anybody can send a body that never ends, and nothing was promised before its answer.
func (c *callers) shutdown(ctx context.Context) error {
	err := c.server.Shutdown(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	n := 0
	c.busy.Range(func(any, any) bool { n++; return true })
	c.log.Warn("stop: callers were cut off", "callers", n)
	return c.server.Close()
}
