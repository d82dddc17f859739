package settings

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/internal/app"
	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/router"
)

// NatsConfig is how other processes reach the embedded broker.
type NatsConfig struct {
	NatsClient
	NATSListen string `name:"nats-listen" env:"LIVEPIPE_NATS_LISTEN" help:"Serve the embedded broker to other livepipe processes at host:port; they set LIVEPIPE_BUS=nats://host:port. Any but a loopback address needs a token."`
}

// NatsClient is what every process needs to be let in.
type NatsClient struct {
	NATSToken string `name:"nats-token" env:"LIVEPIPE_NATS_TOKEN" help:"Secret that clients of the broker present."`
}

// broker is JetStream as the bus, with the server when it runs in this process.
type broker struct {
	*jetstream.Bus
	Server      *jetstream.Server
	addressFile string // tells other commands how to reach the server
}

// OpenBroker opens JetStream, here or where LIVEPIPE_BUS says, and makes its streams and queues.
func OpenBroker(ctx context.Context, c BusConfig, n NatsConfig, log *slog.Logger) (*broker, error) {
	config := jetstream.Config{Token: n.NATSToken, Prefix: c.Prefix, Queues: StreamQueues(), Logger: log}
	if c.Bus != Embedded {
		if err := checkBusAddress(c.Bus); err != nil {
			return nil, err
		}
		config.URL = c.Bus
		bus, err := jetstream.Open(ctx, config)
		if err != nil {
			return nil, fmt.Errorf("open the bus at %s: %w", Hide("", c.Bus), err)
		}
		return &broker{Bus: bus}, nil
	}
	// Without an address of its own the server still listens, on a free loopback port behind a token that only the
	// owner of the data directory can read: `livepipe dlq` works beside a running process this way.
	if n.NATSListen == "" {
		n.NATSListen, n.NATSToken = "127.0.0.1:0", rand.Text()
	}
	server, err := jetstream.StartServer(ctx, jetstream.ServerConfig{
		Dir: c.DataPath("bus"), Listen: n.NATSListen, Token: n.NATSToken, Logger: log,
	})
	if errors.Is(err, jetstream.ErrDirInUse) {
		return nil, fmt.Errorf("%w (stop it, or set LIVEPIPE_DATA to another directory)", err)
	}
	if err != nil {
		return nil, err
	}
	b := &broker{Server: server, addressFile: c.DataPath(brokerAddressFile)}
	config.Server, config.Token = server, n.NATSToken
	if b.Bus, err = jetstream.Open(ctx, config); err != nil {
		return nil, errors.Join(err, server.Shutdown())
	}
	if err := writeBrokerAddress(b.addressFile, brokerAddress{URL: "nats://" + server.Addr(), Token: n.NATSToken}); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// checkBusAddress refuses what nats.go would refuse with an error that quotes it, password and all.
func checkBusAddress(list string) error {
	for address := range strings.SplitSeq(list, ",") {
		if _, err := url.Parse(strings.TrimSpace(address)); err != nil {
			return errors.New("LIVEPIPE_BUS cannot be read: it must be nats://[USER:PASSWORD@]HOST:PORT with special characters percent-encoded")
		}
	}
	return nil
}

// Close ends the connection, and the server when it is ours.
func (b *broker) Close() error {
	err := b.Bus.Close()
	if b.Server == nil {
		return err
	}
	if e := os.Remove(b.addressFile); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("remove %s: %w", b.addressFile, e))
	}
	return errors.Join(err, b.Server.Shutdown())
}

// Open makes the broker what the roles and the commands see.
func (b *broker) Open() *OpenBus {
	o := &OpenBus{
		Bus: app.Bus{
			Publisher:   b.Publisher(),
			DeadLetters: b.DeadLetters(),
			Source:      func(ctx context.Context, queue string) (lanes.Source, error) { return b.Source(ctx, queue) },
			Engine:      lanes.Config{Lease: jetstream.AckWait},
			Backlog: func(ctx context.Context, queue string) (int64, time.Time, error) {
				backlog, err := b.Backlog(ctx, queue)
				return backlog.Messages, backlog.Oldest, err
			},
			Health: b.Health,
		},
		Dead:  b.DeadLetters(),
		Close: b.Close,
	}
	if b.Server != nil {
		o.Repair = b.Server.Restart
	}
	return o
}

// StreamQueues are the route table in JetStream's words.
func StreamQueues() []jetstream.Queue {
	// What a worker publishes for another must not wait at the fsyncs that LiveChat waits for, nor they at its. A queue
	// that changes streams leaves its backlog behind, so none is ever moved.
	streams := map[string]string{"dispatch": jetstream.Dispatch}
	var all []jetstream.Queue
	for _, binding := range router.Table() {
		q := jetstream.Queue{Name: binding.Worker, Stream: streams[binding.Worker]}
		for _, t := range binding.Types {
			q.Topics = append(q.Topics, t.Topic())
		}
		all = append(all, q)
	}
	return all
}

// brokerAddress is how a command on the same machine reaches the broker of a running process.
type brokerAddress struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

const brokerAddressFile = "bus.json"

func writeBrokerAddress(file string, at brokerAddress) error {
	b, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(file), err)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace %s: %w", file, err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// readBrokerAddress fails when nobody answers there: a process that was killed leaves its file behind.
func readBrokerAddress(file string) (at brokerAddress, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return at, fmt.Errorf("read %s: %w", file, err)
	}
	if err := json.Unmarshal(b, &at); err != nil {
		return at, fmt.Errorf("read %s: %w", file, err)
	}
	u, err := url.Parse(at.URL)
	if err != nil {
		return at, fmt.Errorf("read %s: %w", file, err)
	}
	return at, reachable(u.Host)
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
