package settings

import (
	"log/slog"
	"os"
	"path/filepath"
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

// InForce is the configuration with what stands for an empty value.
func (c ProcessConfig) InForce() (ProcessConfig, error) {
	var err error
	if c.Blobs, err = c.blobsURL(); err != nil {
		return ProcessConfig{}, err
	}
	if c.Store == "" {
		c.Store = sqliteScheme + c.DataPath("livepipe.db")
	}
	c.SecretKeyFile = c.SecretKeyPath()
	return c, nil
}
