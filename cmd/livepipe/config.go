package main

import (
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/loopback"
	"github.com/livepipe/livepipe/router"
)

// httpConfig is what ingress has.
type httpConfig struct {
	Addr           string        `env:"LIVEPIPE_ADDR" default:"127.0.0.1:8080" help:"Address for LiveChat and API calls."`
	Access         string        `env:"LIVEPIPE_ACCESS" default:"auto" enum:"auto,accounts,open" help:"Who may call: 'accounts' wants the credentials of an account; 'open' everybody who can reach the address; 'auto' is open on a loopback address until the first account is made."`
	Hosts          []string      `env:"LIVEPIPE_HOSTS" help:"More names that callers may use in open mode, besides the address and localhost."`
	CORSOrigins    []string      `env:"LIVEPIPE_CORS_ORIGINS" default:"https://app.example.com" help:"Origins of browser apps that may call; * for any."`
	TrustedProxies []string      `env:"LIVEPIPE_TRUSTED_PROXIES" help:"Networks (CIDR) whose X-Forwarded-For is believed."`
	MediaURL       string        `env:"LIVEPIPE_MEDIA_URL" help:"Where uploads are served, without the final slash (default: http://ADDR/media)."`
	MediaRedirect  time.Duration `env:"LIVEPIPE_MEDIA_REDIRECT" default:"0s" help:"With s3://: send readers of an upload to S3 by a signed URL that is valid so long, instead of serving the bytes."`
	MaxUpload      int64         `env:"LIVEPIPE_MAX_UPLOAD" default:"10485760" help:"Largest upload in bytes (default: LiveChat's own 10 MiB)."`
	AddressRate    float64       `env:"LIVEPIPE_ADDRESS_RATE" default:"1000" help:"Requests a second that one address may send, loopback excepted; 0 is no limit."`
	PublishTimeout time.Duration `env:"LIVEPIPE_PUBLISH_TIMEOUT" default:"3s" help:"How long the broker has to make an event durable before the caller gets a 503."`
}

// routesConfig names the routing rules: the workers follow them, and ingress asks them what to publish.
type routesConfig struct {
	Routes string `env:"LIVEPIPE_ROUTES" type:"path" help:"File of routing rules (default: none; everything goes to the log)."`
}

// routerConfig is what the workers have.
type routerConfig struct {
	Workers      []string `env:"LIVEPIPE_WORKERS" help:"Workers to run (default: all): history, delivery, routing, dispatch, media."`
	Concurrency  int      `env:"LIVEPIPE_CONCURRENCY" default:"64" help:"Events that one worker handles at a time."`
	MaxHeld      int      `name:"max-held" env:"LIVEPIPE_MAX_HELD" help:"Events whose bodies one worker holds in memory, handled and waiting ones (default: 1024 with LIVEPIPE_BUS=aws, else 4096)."`
	MaxHeldBytes int      `name:"max-held-bytes" env:"LIVEPIPE_MAX_HELD_BYTES" help:"Bytes of those bodies, four of the largest events at least (default: 134217728 with LIVEPIPE_BUS=aws, else 67108864)."`
}

// names are those of the workers that run.
func (c *routerConfig) names() []string {
	bindings, err := router.Select(c.Workers...)
	if err != nil {
		return c.Workers
	}
	var names []string
	for _, b := range bindings {
		names = append(names, b.Worker)
	}
	return names
}

// mediaURL is where a browser fetches uploads.
func (c httpConfig) mediaURL() string {
	if c.MediaURL != "" {
		return strings.TrimSuffix(c.MediaURL, "/")
	}
	return "http://" + reachedAt(c.Addr) + "/media"
}

// onLoopback reports whether only this machine reaches the address for calls.
func (c httpConfig) onLoopback() bool {
	host, _, err := net.SplitHostPort(c.Addr)
	return err == nil && loopback.Is(host)
}

// configCmd shows what serve would run with.
type configCmd struct {
	serveConfig
}

// Run prints every setting as NAME=value, secrets hidden.
func (c *configCmd) Run(std settings.Streams) error {
	inForce, err := c.inForce()
	if err != nil {
		return err
	}
	printSettings(std, reflect.ValueOf(inForce))
	return nil
}

// inForce is the configuration with what stands for an empty value. Access stays auto where only the store knows the rest.
func (c serveConfig) inForce() (serveConfig, error) {
	var err error
	if c.ProcessConfig, err = c.InForce(); err != nil {
		return serveConfig{}, err
	}
	c.MediaURL = c.mediaURL()
	if c.Access == "auto" && !c.onLoopback() {
		c.Access = "accounts"
	}
	c.Workers = c.names()
	return c, nil
}

func printSettings(std settings.Streams, v reflect.Value) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if field.Anonymous {
			printSettings(std, value)
			continue
		}
		name := field.Tag.Get("env")
		if name == "" {
			continue
		}
		shown := fmt.Sprint(value.Interface())
		if list, ok := value.Interface().([]string); ok {
			shown = strings.Join(list, ",")
		}
		fmt.Fprintf(std.Out, "%s=%s\n", name, settings.Hide(name, shown))
	}
}
