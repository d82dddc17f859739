package app

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/livepipe/livepipe/internal/loopback"
)

// startAdmin serves what operators look at. It is never the address that callers use.
func (p *process) startAdmin(ctx context.Context) error {
	if p.AdminAddr == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.AdminAddr)
	if err != nil {
		return fmt.Errorf("listen on the admin address (LIVEPIPE_ADMIN_ADDR): %w", err)
	}
	p.admin = listener
	server := &http.Server{
		Handler:           p.adminHandler(listener.Addr()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // also of a body that nobody reads
		MaxHeaderBytes:    16 << 10,
	}
	askers := newCallers(server, p.log)
	p.run("admin", func() error { return askers.serve(listener) })
	p.onStop("admin", askers.shutdown)
	return nil
}

func (p *process) adminHandler(addr net.Addr) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", p.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.Registry, promhttp.HandlerOpts{Timeout: 10 * time.Second}))
	if isLoopback(addr.String()) { // profiles show memory, so they never leave the machine
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		return onlyLoopbackHost(mux)
	}
	return mux
}

func (p *process) serveReady(w http.ResponseWriter, _ *http.Request) {
	wrong := p.health.ready()
	if len(wrong) == 0 {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		fmt.Fprintf(w, "%s: %v\n", name, wrong[name])
	}
}

// onlyLoopbackHost refuses a name that a foreign page has made to point at this machine (DNS rebinding).
func onlyLoopbackHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			http.Error(w, "the admin address answers to loopback names only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether hostport, with or without a port, names this machine only.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return loopback.Is(host)
}
