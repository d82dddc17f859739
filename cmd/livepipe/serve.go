package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/app"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

// serveConfig is everything.
type serveConfig struct {
	processConfig
	httpConfig
	routerConfig
	routesConfig
	natsConfig
	AdminAddr string `env:"LIVEPIPE_ADMIN_ADDR" default:"127.0.0.1:8081" help:"Address of /healthz, /readyz, /metrics and, on loopback, /debug/pprof; 'off' for none."`
}

type serveCmd struct {
	serveConfig
}

// Run is everything in one process.
func (c *serveCmd) Run(ctx context.Context, std streams) error {
	if _, err := c.migrate(ctx); err != nil {
		return err
	}
	return runRoles(ctx, std, roles{
		process: c.processConfig, nats: c.natsConfig, admin: c.AdminAddr,
		routes: c.routesConfig, http: &c.httpConfig, router: &c.routerConfig,
	})
}

type ingressCmd struct {
	processConfig
	httpConfig
	routesConfig
	natsClient
	AdminAddr string `env:"LIVEPIPE_ADMIN_ADDR" default:"off" help:"Address of /healthz, /readyz, /metrics and, on loopback, /debug/pprof; 'off' for none."`
}

// Run is the HTTP side alone.
func (c *ingressCmd) Run(ctx context.Context, std streams) error {
	return runRoles(ctx, std, roles{
		process: c.processConfig, nats: natsConfig{natsClient: c.natsClient}, admin: c.AdminAddr,
		routes: c.routesConfig, http: &c.httpConfig,
	})
}

type routerCmd struct {
	processConfig
	routerConfig
	routesConfig
	natsClient
	AdminAddr string `env:"LIVEPIPE_ADMIN_ADDR" default:"off" help:"Address of /healthz, /readyz, /metrics and, on loopback, /debug/pprof; 'off' for none."`
}

// Run is the workers alone.
func (c *routerCmd) Run(ctx context.Context, std streams) error {
	return runRoles(ctx, std, roles{
		process: c.processConfig, nats: natsConfig{natsClient: c.natsClient}, admin: c.AdminAddr,
		routes: c.routesConfig, router: &c.routerConfig,
	})
}

type brokerCmd struct {
	processConfig
	natsConfig
}

// Run is the embedded broker alone, and the store's schema, for processes that share them.
func (c *brokerCmd) Run(ctx context.Context, std streams) error {
	if _, err := c.migrate(ctx); err != nil {
		return err
	}
	if c.Bus != embedded || c.NATSListen == "" {
		return errors.New("broker serves the embedded bus: set --nats-listen (LIVEPIPE_NATS_LISTEN) and leave LIVEPIPE_BUS alone")
	}
	log := c.logger()
	b, err := openBroker(ctx, c.busConfig, c.natsConfig, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "livepipe %s\n  bus      nats://%s\n  data     %s\n  running\n", version, b.server.Addr(), c.Data)
	app.Keep(ctx, b.open().Bus, log)
	return b.Close()
}

// roles is what one process does.
type roles struct {
	process processConfig
	nats    natsConfig
	admin   string
	routes  routesConfig
	http    *httpConfig   // nil: no ingress
	router  *routerConfig // nil: no workers
}

// runRoles opens what the settings name, runs the process, and closes everything in reverse.
func runRoles(ctx context.Context, std streams, r roles) (err error) {
	log := r.process.logger()
	options := app.Options{Logger: log, Registry: newRegistry(), Grace: r.process.Grace, AdminAddr: r.admin}
	if options.AdminAddr == "off" {
		options.AdminAddr = ""
	}
	set, err := r.routes.rules()
	if err != nil {
		return err
	}
	if r.http != nil {
		if r.http.MediaURL == "" && !r.http.onLoopback() {
			log.Warn("LIVEPIPE_MEDIA_URL is not set: the URLs of uploads may lead nowhere", "media_url", r.http.mediaURL())
		}
		if options.Ingress, err = r.http.options(r.process, set); err != nil {
			return err
		}
	}
	if r.router != nil {
		if options.Router, err = r.router.options(set); err != nil {
			return err
		}
	}
	db, err := r.process.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := r.process.openBlobs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	bus, err := connect(ctx, busSettings{r.process.busConfig, r.process.storeConfig, r.nats, files.Claims()}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bus.close()) }()
	options.Bus, options.Store, options.Blobs = bus.Bus, db, files
	options.Started = func(a app.Addresses) { greet(ctx, std, r, a, db) }
	return app.Run(ctx, options)
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// options turns the settings into what ingress is made of.
func (c *httpConfig) options(p processConfig, set *rules.Set) (*app.IngressOptions, error) {
	config := ingress.DefaultConfig()
	config.Access = ingress.Access(c.Access)
	config.Loopback = c.onLoopback()
	config.Hosts = c.Hosts
	config.Origins = c.CORSOrigins
	config.MediaURL = c.mediaURL()
	config.UploadDir = p.dataPath("uploads")
	config.MediaRedirect = c.MediaRedirect
	config.UploadLimit = c.MaxUpload
	config.AddressRate = c.AddressRate
	if c.AddressRate == 0 {
		config.AddressRate = math.MaxFloat64 // what golang.org/x/time/rate takes for no limit
	}
	config.PublishTimeout = c.PublishTimeout
	config.PublishUnknown = set.Asks(messages.TypeUnknownReceived)
	for _, s := range c.TrustedProxies {
		network, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("LIVEPIPE_TRUSTED_PROXIES: %q is not a network such as 10.0.0.0/8", s)
		}
		config.TrustedProxies = append(config.TrustedProxies, network)
	}
	if err := os.MkdirAll(config.UploadDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory for uploads (LIVEPIPE_DATA): %w", err)
	}
	key, err := p.secretKey()
	if err != nil {
		return nil, err
	}
	return &app.IngressOptions{Addr: c.Addr, Config: config, Channels: []channels.Channel{livechat.Channel()}, Secrets: key}, nil
}

// rules reads the routing rules.
func (c routesConfig) rules() (*rules.Set, error) {
	if c.Routes == "" {
		return rules.Default(), nil
	}
	return rules.Load(c.Routes, os.Getenv)
}

// options turns the settings into what the workers are made of.
func (c *routerConfig) options(set *rules.Set) (*app.RouterOptions, error) {
	bindings, err := router.Select(c.Workers...)
	if err != nil {
		return nil, err
	}
	return &app.RouterOptions{Workers: bindings, Rules: set, Concurrency: c.Concurrency}, nil
}

// reachable fails when nobody listens there.
func reachable(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("reach the broker: %w", err)
	}
	return conn.Close()
}

// quiet is the logger of commands that end by themselves: warnings only.
func quiet(std streams) *slog.Logger {
	return slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
