package jetstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/internal/jetstream"
)

// The test binary is also the broker that tests kill, and the command that restarts one.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "broker" {
		exit(serveBroker(os.Args[2], os.Args[3]))
	}
	if len(os.Args) == 3 && os.Args[1] == "restart-broker" {
		exit(restartBroker(os.Args[2]))
	}
	// The suite's own collector of published messages waits for a channel that nobody closes.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/pubsub/tests.TestReconnect.func2"))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveBroker runs a server until its standard input ends, which is also the death of its parent. It restarts the
// server for each connection to the control socket.
func serveBroker(dir, listen string) error {
	server, err := jetstream.StartServer(context.Background(), jetstream.ServerConfig{
		Dir: dir, Listen: listen, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	_ = os.Remove(controlSocket(dir)) // left by a killed one
	control, err := net.Listen("unix", controlSocket(dir))
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := control.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(conn, "restarted", server.Restart(context.Background()))
			_ = conn.Close()
		}
	}()
	fmt.Println(server.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return server.Shutdown()
}

func controlSocket(dir string) string { return filepath.Join(dir, "control") }

func restartBroker(dir string) error {
	conn, err := net.DialTimeout("unix", controlSocket(dir), 5*time.Second)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if string(answer) != "restarted <nil>\n" {
		return errors.Join(fmt.Errorf("broker answers %q", answer), err)
	}
	return nil
}

// broker is a nats-server in a process of its own.
type broker struct {
	t    testing.TB
	dir  string
	addr string
	cmd  *exec.Cmd
}

// startBroker picks a free port and keeps it across kills.
func startBroker(t testing.TB) *broker {
	t.Helper()
	dir, err := os.MkdirTemp("", "broker") // short, for the control socket: 108 bytes are the most
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t, dir: dir, addr: "127.0.0.1:0"}
	b.start()
	t.Cleanup(func() {
		b.kill()
		_ = os.RemoveAll(dir)
	})
	return b
}

func (b *broker) start() {
	b.t.Helper()
	b.cmd = exec.Command(testBinary(b.t), "broker", b.dir, b.addr)
	b.cmd.Stderr = b.t.Output()
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.cmd.StdinPipe(); err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.t.Fatalf("broker does not start: %v", err)
	}
	b.addr = strings.TrimSpace(line)
}

// kill is SIGKILL: nothing is flushed.
func (b *broker) kill() {
	_ = b.cmd.Process.Signal(syscall.SIGKILL)
	_ = b.cmd.Wait()
}

func (b *broker) url() string { return "nats://" + b.addr }

func testBinary(t testing.TB) string {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
