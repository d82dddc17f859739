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
	Grace     time.Duration `env:"LIVEPIPE_GRACE" help:"How long a stop may take, all of it: open requests (half), handlers in flight (13/20), last acknowledgements (default: 20s; with LIVEPIPE_BUS=aws LIVEPIPE_POLL_WAIT and 5s, if that is more)."`
	LogLevel  slog.Level    `env:"LIVEPIPE_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string        `env:"LIVEPIPE_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

// afterPoll is what a stop gets beside the receive of SQS that it waits for: to settle what that brought, and to close.
const afterPoll = 5 * time.Second

// StopGrace is how long a stop may take. Given up, a receive may hide an event until its lease ends, so on SQS the default
// has room for one that was just begun.
func (c ProcessConfig) StopGrace() time.Duration {
	switch {
	case c.Grace > 0:
		return c.Grace
	case c.Bus == AmazonBus:
		return max(20*time.Second, c.PollWait+afterPoll)
	}
	return 20 * time.Second
}

// PollsTooLong reports whether a stop may end before a receive does that was just begun: it waits for four fifths of the
// grace, see internal/app.
func (c ProcessConfig) PollsTooLong() bool { return c.StopGrace()*4/5 < c.PollWait }

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
	c.Grace = c.StopGrace()
	return c, nil
}
