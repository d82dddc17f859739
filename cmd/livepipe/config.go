package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/livepipe/livepipe/internal/loopback"
)

// busConfig chooses the broker.
type busConfig struct {
	Data   string `env:"LIVEPIPE_DATA" default:"./data" help:"Directory of everything that this machine keeps."`
	Bus    string `env:"LIVEPIPE_BUS" default:"embedded" help:"Broker: 'embedded' runs NATS JetStream inside the process; nats://host:port uses another process's or a server of your own; 'aws' is SNS and SQS."`
	Prefix string `env:"LIVEPIPE_PREFIX" default:"livepipe" help:"First part of every stream, topic and queue name; keeps environments apart."`
	awsConfig
}

// processConfig is what every long-running role has.
type processConfig struct {
	busConfig
	storeConfig
	Grace     time.Duration `env:"LIVEPIPE_GRACE" default:"20s" help:"How long a stop may take: open requests, handlers in flight, last acknowledgements."`
	LogLevel  slog.Level    `env:"LIVEPIPE_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string        `env:"LIVEPIPE_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

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
	Workers     []string `env:"LIVEPIPE_WORKERS" help:"Workers to run (default: all): history, delivery, routing, dispatch, media."`
	Concurrency int      `env:"LIVEPIPE_CONCURRENCY" default:"64" help:"Events that one worker handles at a time."`
}

func (c busConfig) dataPath(name string) string { return filepath.Join(c.Data, name) }

// mediaURL is where a browser fetches uploads.
func (c httpConfig) mediaURL() string {
	if c.MediaURL != "" {
		return strings.TrimSuffix(c.MediaURL, "/")
	}
	return "http://" + reachedAt(c.Addr) + "/media"
}

func (c processConfig) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
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
func (c *configCmd) Run(std streams) error {
	printSettings(std, reflect.ValueOf(c.serveConfig))
	return nil
}

func printSettings(std streams, v reflect.Value) {
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
		fmt.Fprintf(std.out, "%s=%s\n", name, hide(name, shown))
	}
}

// hide keeps secrets out of what is shown: whole values that are secret, and passwords inside URLs.
func hide(name, value string) string {
	if value == "" {
		return ""
	}
	if strings.HasSuffix(name, "_TOKEN") || strings.HasSuffix(name, "_SECRET") {
		return "(hidden)"
	}
	if u, err := url.Parse(value); err == nil && u.User != nil {
		u.User = url.User("hidden")
		return u.String()
	}
	return value
}
