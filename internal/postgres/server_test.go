package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a PostgreSQL of the test's own, which it may kill.
type server struct {
	t        testing.TB
	bin, dir string
	port     string
	as       *syscall.SysProcAttr // PostgreSQL refuses to run as root
	settings []string
	process  *exec.Cmd
	dsn      string
}

// startServer starts one from the machine's own binaries, and stops it when the test ends.
func startServer(t testing.TB, settings ...string) *server {
	t.Helper()
	serverDSN(t) // skips where tests are to need nothing but Go
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		all, _ := fs.Glob(os.DirFS("/"), "usr/lib/postgresql/*/bin/initdb")
		if len(all) == 0 {
			t.Skip("needs initdb and postgres, in PATH or in /usr/lib/postgresql: install a PostgreSQL server")
		}
		initdb = "/" + all[len(all)-1]
	}
	if real, err := filepath.EvalSymlinks(initdb); err == nil { // its siblings may not be linked beside it
		initdb = real
	}
	s := &server{t: t, bin: filepath.Dir(initdb), dir: t.TempDir(), settings: settings}
	if os.Getuid() == 0 {
		s.becomePostgres()
	}
	s.run("initdb", "-D", s.dir+"/data", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(free.Addr().String())
	free.Close()
	s.dsn = "postgres://postgres@127.0.0.1:" + s.port + "/postgres?sslmode=disable"
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) becomePostgres() {
	s.t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		s.t.Skip("needs the user postgres, because PostgreSQL refuses to run as root")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	s.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := errors.Join(os.Chown(s.dir, uid, gid), os.Chmod(filepath.Dir(s.dir), 0o711)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, name), args...)
	cmd.SysProcAttr, cmd.Dir = s.as, s.dir
	return cmd
}

func (s *server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// start returns once the server takes connections. What a killed server leaves running ends by itself soon; until then
// the next one does not start, so it is tried again.
func (s *server) start() {
	s.t.Helper()
	args := []string{
		"-D", s.dir + "/data", "-p", s.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=50",
	}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	var log strings.Builder
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		log.Reset()
		s.process = s.command("postgres", args...)
		s.process.Stderr = &log
		if err := s.process.Start(); err != nil {
			s.t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = s.process.Wait(); close(ended) }()
		if s.ready(ended, deadline) {
			return
		}
	}
	s.t.Fatalf("the server does not start:\n%s", log.String())
}

// ready waits for the server to take connections; false when it ended instead.
func (s *server) ready(ended <-chan struct{}, deadline time.Time) bool {
	for time.Now().Before(deadline) {
		select {
		case <-ended:
			return false
		default:
		}
		// pg_isready waits for an answer itself, and a process takes milliseconds: no sleep is needed.
		if s.command("pg_isready", "-q", "-t", "1", "-h", "127.0.0.1", "-p", s.port).Run() == nil {
			return true
		}
	}
	return false
}

// kill ends the server at once: nothing is flushed, nothing is answered any more.
func (s *server) kill() {
	// Its children see it die and end too.
	if err := s.process.Process.Kill(); err != nil && !strings.Contains(err.Error(), "finished") {
		s.t.Error(err)
	}
	waitUntil(s.t, "the killed server lets go of its port", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+s.port, time.Second)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// waitUntil asks again and again until it is so.
func waitUntil(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !so(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("30 s and still not: %s", what)
		}
	}
}

// waitFor waits until the query answers want.
func waitFor(t testing.TB, s *Store, query, want string) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%s = %s", query, want), func() bool { return ask(t, s, query) == want })
}
