package settings

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// BusConfig chooses the broker.
type BusConfig struct {
	Data   string `env:"LIVEPIPE_DATA" default:"./data" help:"Directory of everything that this machine keeps."`
	Bus    string `env:"LIVEPIPE_BUS" default:"embedded" help:"Broker: 'embedded' runs NATS JetStream inside the process; nats://host:port uses another process's or a server of your own; 'aws' is SNS and SQS."`
	Prefix string `env:"LIVEPIPE_PREFIX" default:"livepipe" help:"First part of every stream, topic and queue name; keeps environments apart."`
	awsConfig
}

// ProcessConfig is what every long-running role has.
type ProcessConfig struct {
	BusConfig
	StoreConfig
	Grace     time.Duration `env:"LIVEPIPE_GRACE" default:"20s" help:"How long a stop may take, all of it: open requests (half), handlers in flight (13/20), last acknowledgements."`
	LogLevel  slog.Level    `env:"LIVEPIPE_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string        `env:"LIVEPIPE_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

// DataPath is the path of a file or directory under LIVEPIPE_DATA.
func (c BusConfig) DataPath(name string) string { return filepath.Join(c.Data, name) }

// Logger writes to the standard error, as LIVEPIPE_LOG_LEVEL and LIVEPIPE_LOG_FORMAT say.
func (c ProcessConfig) Logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// Hide keeps secrets out of what is shown: whole values that are secret, and passwords inside URLs.
func Hide(name, value string) string {
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
