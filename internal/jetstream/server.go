package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/livepipe/livepipe/internal/loopback"
)

// errServerStopped is returned for a connection while the server is down: before Start, during Restart, after Shutdown.
var errServerStopped = errors.New("embedded nats-server is not running")

// readyTimeout bounds what follows recovery: the listener is open already.
const readyTimeout = 10 * time.Second

// ErrDirInUse says that another process runs an embedded server on the same files, which two would destroy.
var ErrDirInUse = errors.New("another livepipe runs on the broker directory")

// ServerConfig says where the embedded server keeps its data and who may reach it.
type ServerConfig struct {
	// Dir holds the JetStream files. One process uses it at a time; a lock file sees to that.
	Dir string
	// Listen is an optional host:port for other processes; port 0 picks a free one. Empty means in-process only.
	Listen string
	// Token is what clients must present. It is required when Listen is not a loopback address.
	Token  string
	Logger *slog.Logger
}

// Server is a nats-server inside the process, with JetStream on files and every acknowledged write fsynced.
type Server struct {
	cfg  ServerConfig
	log  *slog.Logger
	lock *flock.Flock

	restarting sync.Mutex // one Restart or Shutdown at a time

	mu       sync.Mutex
	running  *server.Server // nil while down
	starting *startup       // given up by whoever started it, and not finished; only under restarting
	addr     string         // host:port once listening, the same after a Restart
	closed   bool
}

// StartServer starts the server and returns when it takes connections. It refuses a directory that another process
// uses and a non-loopback listen address without a token.
func StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	if err := checkListen(cfg.Listen, cfg.Token); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make broker directory: %w", err)
	}
	lock := flock.New(filepath.Join(cfg.Dir, "lock"))
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock broker directory: %w", err)
	case !held:
		return nil, fmt.Errorf("%w: %s", ErrDirInUse, cfg.Dir)
	}
	s := &Server{cfg: cfg, log: cfg.Logger, lock: lock, addr: cfg.Listen}
	if err := s.start(ctx); err != nil {
		s.stop() // also one that still recovers: the lock must outlast it
		return nil, errors.Join(err, lock.Unlock())
	}
	return s, nil
}

// InProcessConn hands out a connection to the server that runs now. It makes Server an option for nats.InProcessServer:
// a client that reconnects during Restart gets errServerStopped until the new server runs.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running == nil {
		return nil, errServerStopped
	}
	return running.InProcessConn()
}

// Addr is the host:port that the server listens on, or "" without a listener.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Restart stops the server and starts it again on the same files and address; clients reconnect by themselves. It is
// what brings a server back whose disk was full: a stream that failed to write stays closed for writing until then.
// While the disk still has no room it changes nothing and returns an error.
func (s *Server) Restart(ctx context.Context) error {
	s.restarting.Lock()
	defer s.restarting.Unlock()
	if s.isClosed() {
		return errServerStopped
	}
	if s.starting == nil { // else an earlier Restart ran out of time; this one waits on
		if err := checkRoom(s.cfg.Dir); err != nil {
			return fmt.Errorf("restart embedded nats-server: %w", err)
		}
		s.stop()
	}
	return s.start(ctx)
}

// Shutdown stops the server for good and waits until its files are closed.
func (s *Server) Shutdown() error {
	s.restarting.Lock()
	defer s.restarting.Unlock()
	if s.isClosed() {
		return nil
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	if err := s.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock broker directory: %w", err)
	}
	return nil
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// stop ends the server, and one that is still recovering as soon as that is possible: two servers on the same files
// would destroy them.
func (s *Server) stop() {
	if s.starting != nil {
		<-s.starting.done
		s.starting.end()
		s.starting = nil
	}
	s.mu.Lock()
	running := s.running
	s.running = nil
	s.mu.Unlock()
	if running != nil {
		running.Shutdown()
		running.WaitForShutdown()
	}
}

// startup is a server that recovers its files, which nothing can interrupt: 1 GB takes about 10 s on a slow disk.
type startup struct {
	server *server.Server
	log    *serverLogger
	done   chan struct{}
}

func (u *startup) end() {
	u.server.Shutdown()
	u.server.WaitForShutdown()
}

// start waits until the server takes connections. When ctx ends first the server goes on recovering, and the next start
// waits for that very one.
func (s *Server) start(ctx context.Context) error {
	if s.starting == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	u := s.starting
	select {
	case <-u.done:
	case <-ctx.Done():
		return fmt.Errorf("start embedded nats-server: still recovering: %w", ctx.Err())
	}
	s.starting = nil
	err := u.log.failure()
	if err == nil && !u.server.ReadyForConnections(readyTimeout) {
		err = errors.New("not ready for connections")
	}
	if err != nil {
		u.end()
		return fmt.Errorf("start embedded nats-server: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = u.server
	if addr := u.server.Addr(); addr != nil && s.cfg.Listen != "" {
		s.addr = addr.String()
	}
	return nil
}

// begin makes a server and lets it recover.
func (s *Server) begin() error {
	opts, err := s.options()
	if err != nil {
		return err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("make embedded nats-server: %w", err)
	}
	u := &startup{server: srv, log: &serverLogger{log: s.log, fatal: make(chan string, 1)}, done: make(chan struct{})}
	srv.SetLogger(u.log, false, false)
	go func() {
		defer close(u.done)
		srv.Start() // returns once JetStream has recovered and the listener, if any, is open
	}()
	s.starting = u
	return nil
}

func (s *Server) options() (*server.Options, error) {
	opts := &server.Options{
		ServerName: "livepipe",
		DontListen: true,
		NoSigs:     true, // signals belong to the process
		NoLog:      true, // SetLogger below

		// An envelope may hold a whole incoming_chat; 8 MiB is the most that nats-server recommends.
		MaxPayload:    8 << 20,
		Authorization: s.cfg.Token,

		JetStream:  true,
		StoreDir:   s.cfg.Dir,
		SyncAlways: true,
		// Every stream is on files; the server still wants a figure for memory.
		JetStreamMaxMemory: 1 << 20,
		// The disk is the limit. The default, three quarters of what is free at start, would shrink with every
		// restart on a disk that fills up, and refuse to publish while there is room.
		JetStreamMaxStore:      1 << 60,
		DisableJetStreamBanner: true,
	}
	if addr := s.Addr(); addr != "" {
		host, portText, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("read listen address: %w", err)
		}
		port, err := strconv.Atoi(portText)
		if err != nil {
			return nil, fmt.Errorf("read listen port: %w", err)
		}
		if port == 0 {
			port = server.RANDOM_PORT
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
	}
	return opts, nil
}

// checkListen refuses to open the broker to the network without a secret: whoever reaches it can read and write it all.
func checkListen(addr, token string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read listen address: %w", err)
	}
	if token == "" && !loopback.Is(host) {
		return fmt.Errorf("listen on %s: an address other than loopback needs a token", addr)
	}
	return nil
}

// checkRoom writes and syncs 1 MiB, more than a recovering server writes before it takes the first message (the state
// files of the streams and consumers, a few KiB each).
func checkRoom(dir string) (err error) {
	f, err := os.CreateTemp(dir, "room-*")
	if err != nil {
		return fmt.Errorf("check for room on disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("check for room on disk: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("check for room on disk: %w", err)
	}
	return nil
}
