package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/app"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

// serveConfig is everything.
type serveConfig struct {
	settings.ProcessConfig
	httpConfig
	routerConfig
	routesConfig
	settings.NatsConfig
	AdminAddr string `env:"LIVEPIPE_ADMIN_ADDR" default:"127.0.0.1:8081" help:"Address of /healthz, /readyz, /metrics and, on loopback, /debug/pprof; 'off' for none."`
}

type serveCmd struct {
	serveConfig
}

// Run is everything in one process.
func (c *serveCmd) Run(ctx context.Context, std settings.Streams) error {
	return runRoles(ctx, std, roles{
		process: c.ProcessConfig, nats: c.NatsConfig, admin: c.AdminAddr, migrate: true,
		routes: c.routesConfig, http: &c.httpConfig, router: &c.routerConfig,
	})
}

type ingressCmd struct {
	settings.ProcessConfig
	httpConfig
	routesConfig
	settings.NatsClient
	AdminAddr string `env:"LIVEPIPE_ADMIN_ADDR" default:"off" help:"Address of /healthz, /readyz, /metrics and, on loopback, /debug/pprof; 'off' for none."`
}

// Run is the HTTP side alone.
func (c *ingressCmd) Run(ctx context.Context, std settings.Streams) error {
	return runRoles(ctx, std, roles{
		process: c.ProcessConfig, nats: settings.NatsConfig{NatsClient: c.NatsClient}, admin: c.AdminAddr,
		routes: c.routesConfig, http: &c.httpConfig,
	})
}

type routerCmd struct {
	settings.ProcessConfig
	routerConfig
	routesConfig
	settings.NatsClient
	AdminAddr string `env:"LIVEPIPE_ADMIN_ADDR" default:"off" help:"Address of /healthz, /readyz, /metrics and, on loopback, /debug/pprof; 'off' for none."`
}

// Run is the workers alone.
func (c *routerCmd) Run(ctx context.Context, std settings.Streams) error {
	return runRoles(ctx, std, roles{
		process: c.ProcessConfig, nats: settings.NatsConfig{NatsClient: c.NatsClient}, admin: c.AdminAddr,
		routes: c.routesConfig, router: &c.routerConfig,
	})
}

type brokerCmd struct {
	settings.ProcessConfig
	settings.NatsConfig
}

// Run is the embedded broker alone, and the store's schema, for processes that share them.
func (c *brokerCmd) Run(ctx context.Context, std settings.Streams) error {
	if c.Bus != settings.Embedded || c.NATSListen == "" {
		return errors.New("broker serves the embedded bus: set --nats-listen (LIVEPIPE_NATS_LISTEN) and leave LIVEPIPE_BUS alone")
	}
	if err := errors.Join(c.ProcessConfig.Check(), c.NatsConfig.Check()); err != nil {
		return err
	}
	if _, err := c.Migrate(ctx); err != nil {
		return err
	}
	log := c.Logger()
	b, err := settings.OpenBroker(ctx, c.BusConfig, c.NatsConfig, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.Out, "livepipe %s\n  bus      nats://%s\n  data     %s\n  running\n", std.Version, b.Server.Addr(), c.Data)
	app.Keep(ctx, b.Open().Bus, log)
	return b.Close()
}

// roles is what one process does.
type roles struct {
	process settings.ProcessConfig
	nats    settings.NatsConfig
	admin   string
	migrate bool // bring the store's schema up to date first
	routes  routesConfig
	http    *httpConfig   // nil: no ingress
	router  *routerConfig // nil: no workers
}

// runRoles opens what the settings name, runs the process, and closes everything in reverse.
func runRoles(ctx context.Context, std settings.Streams, r roles) (err error) {
	log := r.process.Logger()
	if err := announce(log, r.process); err != nil {
		return err
	}
	options, err := r.options(log)
	if err != nil {
		return err
	}
	if r.migrate {
		if _, err := r.process.Migrate(ctx); err != nil {
			return err
		}
	}
	db, err := r.process.OpenStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := r.process.OpenBlobs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	bus, err := settings.Connect(ctx, settings.BusSettings{
		BusConfig: r.process.BusConfig, StoreConfig: r.process.StoreConfig, NatsConfig: r.nats, Claims: files.Claims(),
	}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bus.Close()) }()
	options.Bus, options.Store, options.Blobs = bus.Bus, db, files
	options.Started = func(a app.Addresses) { greet(ctx, std, r, a, db) }
	return app.Run(ctx, options)
}

// options turns the settings into what the process is made of, or says which of them mean nothing, before anything opens.
func (r roles) options(log *slog.Logger) (app.Options, error) {
	o := app.Options{Logger: log, Registry: newRegistry(), Grace: r.process.StopGrace()}
	set, err := r.routes.rules()
	faults := []error{r.process.Check(), r.nats.Check(), err}
	if r.admin != "off" && r.admin != "" {
		o.AdminAddr = r.admin
		faults = append(faults, settings.CheckAddr("LIVEPIPE_ADMIN_ADDR", r.admin))
	}
	if r.router != nil {
		o.Router, err = r.router.options(set)
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return o, err
	}
	if r.http != nil {
		if r.http.MediaURL == "" && !r.http.onLoopback() {
			log.Warn("LIVEPIPE_MEDIA_URL is not set: the URLs of uploads may lead nowhere", "media_url", r.http.mediaURL())
		}
		o.Ingress, err = r.http.options(r.process, set)
	}
	return o, err
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// options turns the settings into what ingress is made of.
func (c *httpConfig) options(p settings.ProcessConfig, set *rules.Set) (*app.IngressOptions, error) {
	config := ingress.DefaultConfig()
	config.Access = ingress.Access(c.Access)
	config.Loopback = c.onLoopback()
	config.Hosts = c.Hosts
	config.Origins = c.CORSOrigins
	config.MediaURL = c.mediaURL()
	config.UploadDir = p.DataPath("uploads")
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
	if err := errors.Join(settings.CheckAddr("LIVEPIPE_ADDR", c.Addr), config.Validate()); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.UploadDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory for uploads (LIVEPIPE_DATA): %w", err)
	}
	key, err := p.SecretKey()
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
	if c.Concurrency < 1 {
		return nil, fmt.Errorf("LIVEPIPE_CONCURRENCY is %d: a worker handles at least 1 event at a time", c.Concurrency)
	}
	bindings, err := router.Select(c.Workers...)
	if err != nil {
		return nil, err
	}
	return &app.RouterOptions{Workers: bindings, Rules: set, Concurrency: c.Concurrency, MaxHeld: c.MaxHeld, MaxHeldBytes: c.MaxHeldBytes}, nil
}
