package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The event streams that a Queue may name. Each has a file and a lock of its own, so their fsyncs run side by side.
const (
	// Events is for what ingress publishes: LiveChat waits for its fsync.
	Events = "events"
	// Dispatch is for what workers publish for each other, one event for each destination.
	Dispatch = "dispatch"
)

// Queue is one row of the route table: the durable consumer of one worker and the topics that it receives.
type Queue struct {
	Name   string
	Topics []string
	// Stream is Events or Dispatch; empty means Events. All queues of a topic name the same one. It is written down and
	// never derived: a queue whose stream changes leaves its backlog behind in the old one.
	Stream string
}

// Config says which broker to use and what must exist there before anything is published.
type Config struct {
	// Server is the embedded server. Without it, URL names a nats-server with JetStream (2.14 or later).
	Server *Server
	// URL is a comma-separated list of nats:// addresses.
	URL string
	// Token is presented to the server, embedded or not.
	Token string
	// Prefix starts the names of streams and subjects. Default "livepipe".
	Prefix string
	// Queues is the whole route table, whatever part of it this process consumes.
	Queues []Queue
	// Replicas of new streams on a cluster of nats-servers. Default 1. An existing stream keeps its own.
	Replicas int
	Logger   *slog.Logger

	trimEvery time.Duration // zero means the constant; tests trim all the time
}

// Bus is a connection to a broker on which every stream and every durable consumer of the queue table exists. It is
// safe for concurrent use and survives restarts of the broker.
type Bus struct {
	names   names
	log     *slog.Logger
	nc      *nats.Conn
	js      jetstream.JetStream
	streams map[string]jetstream.Stream // by Events, Dispatch, deadLetters; complete when Open returns
	batches chan struct{}               // holds a token for each atomic batch under way

	mu     sync.Mutex
	queues map[string]Queue
	topics map[string]string // the stream of each
	conn   context.Context   // ends when the connection breaks, then replaced
	broke  context.CancelFunc
	closed chan struct{} // closed when the connection is

	stopTrimming context.CancelFunc
	trimming     sync.WaitGroup
}

// Open connects and makes, where they do not exist yet, the event streams, the durable consumer of every queue and the
// dead-letter stream. A changed queue table changes the consumers' filters; a queue added later gets only events from
// then on. A durable that is no longer in the table keeps its backlog; Open logs a warning that names it.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	cfg.Prefix = cmp.Or(cfg.Prefix, "livepipe")
	cfg.Replicas = cmp.Or(cfg.Replicas, 1)
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("check bus config: %w", err)
	}
	b := &Bus{
		names: names(cfg.Prefix), log: cfg.Logger,
		streams: make(map[string]jetstream.Stream), queues: make(map[string]Queue), topics: make(map[string]string),
		batches: make(chan struct{}, atomicAtOnce), closed: make(chan struct{}),
	}
	b.conn, b.broke = context.WithCancel(context.Background())
	if err := b.connect(cfg); err != nil {
		return nil, err
	}
	if err := b.provision(ctx, cfg); err != nil {
		b.nc.Close()
		<-b.closed
		return nil, err
	}
	ctx, b.stopTrimming = context.WithCancel(context.WithoutCancel(ctx))
	b.trimming.Go(func() { b.trimUntil(ctx, cmp.Or(cfg.trimEvery, trimEvery)) })
	return b, nil
}

// Close sends what is buffered and ends the connection. Sources have to be closed before.
func (b *Bus) Close() error {
	b.stopTrimming()
	b.trimming.Wait()
	err := b.nc.FlushTimeout(2 * time.Second)
	b.nc.Close()
	<-b.closed
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("flush bus: %w", err)
	}
	return nil
}

// connect fails when the broker cannot be reached now; later it reconnects for as long as the Bus is open.
func (b *Bus) connect(cfg Config) error {
	opts := []nats.Option{
		nats.Name("livepipe"),
		nats.Token(cfg.Token),
		nats.Timeout(2 * time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond), // an embedded server restarts in about 200 ms
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // else two refusals in a row end the connection for good
		// A connection that swallows everything is given up after 2 pings unanswered: 10 to 15 s.
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.onDisconnect(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info("bus reconnected") }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { b.onError(sub, err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
	if cfg.Server != nil {
		opts = append(opts, nats.InProcessServer(cfg.Server))
	}
	nc, err := nats.Connect(cfg.URL, opts...)
	if err != nil {
		return fmt.Errorf("connect to nats-server: %w", err)
	}
	// 5 s is what nats.go gives an API call that has no deadline of its own.
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second))
	if err != nil {
		nc.Close()
		return fmt.Errorf("use jetstream: %w", err)
	}
	b.nc, b.js = nc, js
	return nil
}

// onError hears of failed writes too, one for each message; the disconnect that follows is logged once.
func (b *Bus) onError(sub *nats.Subscription, err error) {
	level := slog.LevelDebug
	if sub != nil || errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrPermissionViolation) {
		level = slog.LevelWarn
	}
	b.log.Log(context.Background(), level, "bus error", "error", err)
}

func (b *Bus) onDisconnect(err error) {
	b.mu.Lock()
	b.broke()
	b.conn, b.broke = context.WithCancel(context.Background())
	b.mu.Unlock()
	if err != nil {
		b.log.Warn("bus disconnected", "error", err)
	}
}

// connection returns a context that ends when the connection breaks the next time.
func (b *Bus) connection() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conn
}

// untilDisconnect makes ctx end with errDisconnected as its cause when the connection breaks: what was under way then
// may be lost, and no answer comes.
func (b *Bus) untilDisconnect(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.connection(), func() { cancel(errDisconnected) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// call bounds a request: the engine's contexts last as long as leases do, and an answer that got lost never comes.
func (b *Bus) call(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	ctx, disconnect := b.untilDisconnect(ctx)
	return ctx, func() {
		disconnect()
		cancel()
	}
}

// streamOf returns the stream of a topic, or false when no queue has it.
func (b *Bus) streamOf(topic string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	stream, ok := b.topics[topic]
	return stream, ok
}

func (b *Bus) queue(name string) (Queue, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q, ok := b.queues[name]
	if !ok {
		return Queue{}, fmt.Errorf("queue %s is not in the queue table", name)
	}
	return q, nil
}

// deadLetters is the third stream, which no Queue names.
const deadLetters = "dead"

// names are the streams and subjects under one prefix. All subjects of a stream start alike and no other's do, so a
// stream that exists takes new topics without a change, and two releases with different tables do not overwrite each
// other's.
type names string

func (n names) stream(s string) string       { return string(n) + "-" + s }
func (n names) subjects(s string) string     { return string(n) + "." + s + ".>" }
func (n names) event(s, topic string) string { return string(n) + "." + s + ".topic." + topic }
func (n names) redrive(q Queue) string       { return string(n) + "." + q.Stream + ".redrive." + q.Name }

func (n names) deadLetter(q string) string { return string(n) + "." + deadLetters + ".queue." + q }
func (n names) probe(s string) string      { return string(n) + "." + s + ".probe" }

// token is what may be in a subject, a stream name and a durable name alike: no dots, spaces or wildcards.
var token = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,199}$`)

func (c Config) validate() error {
	var problems []error
	check := func(what, name string) {
		if !token.MatchString(name) {
			problems = append(problems, fmt.Errorf("%s %q: letters, digits, - and _ only", what, name))
		}
	}
	if (c.Server == nil) == (c.URL == "") {
		problems = append(problems, errors.New("exactly one of Server and URL must be set"))
	}
	check("prefix", c.Prefix)
	var seen []string
	streams := make(map[string]string)
	for _, q := range c.Queues {
		check("queue", q.Name)
		stream := cmp.Or(q.Stream, Events)
		if stream != Events && stream != Dispatch {
			problems = append(problems, fmt.Errorf("queue %q: stream %q is neither %s nor %s", q.Name, stream, Events, Dispatch))
		}
		if len(q.Topics) == 0 || slices.Contains(seen, q.Name) {
			problems = append(problems, fmt.Errorf("queue %q: no topics or twice in the table", q.Name))
		}
		seen = append(seen, q.Name)
		for _, t := range q.Topics {
			check("topic", t)
			if other, ok := streams[t]; ok && other != stream {
				problems = append(problems, fmt.Errorf("topic %q: its queues name the streams %s and %s", t, other, stream))
			}
			streams[t] = stream
		}
	}
	return errors.Join(problems...)
}
