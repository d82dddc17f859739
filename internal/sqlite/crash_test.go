package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/conformance"
)

// The WAL's format (sqlite.org/fileformat.html, section 4): frames of a 24-byte header and a page.
const frameSize = 24 + 4096

// A power cut or a crash may leave any part of the last write. Whatever is left, the file opens with every commit before
// it, and of the last one everything or nothing.
func TestTornWAL(t *testing.T) {
	path := migrated(t)
	s := openAt(t, path, Options{})
	const committed = 20
	for i := range committed {
		save(t, s, fmt.Sprint("msg", i))
	}
	before := read(t, path+"-wal")
	save(t, s, "last")
	file, wal := read(t, path), read(t, path+"-wal")
	if len(wal)-len(before) < 2*frameSize || (len(wal)-len(before))%frameSize != 0 {
		t.Fatalf("the last commit wrote %d bytes, want some frames of %d", len(wal)-len(before), frameSize)
	}
	lastFrame, dir := len(wal)-frameSize, t.TempDir()
	step := 1
	if testing.Short() || conformance.RaceDetector {
		step = 61
	}
	var g errgroup.Group
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // half of the time is the disk's
	cuts := 0
	cut := func(at int) {
		cuts++
		open := recovers
		if cuts%41 == 0 || at == len(wal) { // opening is most of the time, so not every cut goes through the Store
			open = opens
		}
		g.Go(func() error {
			got, err := open(t, filepath.Join(dir, fmt.Sprint(at)), file, wal[:at])
			if err != nil {
				return fmt.Errorf("%d of %d bytes of WAL: %w", at, len(wal), err)
			}
			if want := committed + at/len(wal); got != want {
				return fmt.Errorf("%d of %d bytes of WAL: %d messages, want %d", at, len(wal), got, want)
			}
			return nil
		})
	}
	for at := len(before); at < lastFrame; at += 509 { // the frames before the last, by a prime step
		cut(at)
	}
	for at := lastFrame; at < len(wal); at += step {
		cut(at)
	}
	cut(len(wal))
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cuts", cuts)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lay(path string, file, wal []byte) error {
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return err
	}
	return os.WriteFile(path+"-wal", wal, 0o600)
}

func opens(t *testing.T, path string, file, wal []byte) (int, error) {
	if err := lay(path, file, wal); err != nil {
		return 0, err
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	return count(t, s), s.Health(t.Context())
}

// recovers does only what SQLite does when it opens the file, with nothing synced.
func recovers(t *testing.T, path string, file, wal []byte) (messages int, err error) {
	if err := lay(path, file, wal); err != nil {
		return 0, err
	}
	db, err := sql.Open("sqlite", dsn(path, "rw", time.Second, "synchronous(off)"))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	const query = `SELECT count(*) FROM messages HAVING count(*) = (SELECT sum(messages) FROM chats)`
	return messages, db.QueryRowContext(t.Context(), query).Scan(&messages)
}

// writerEnv makes the test binary the child that writes to the file it names.
const writerEnv = "LIVEPIPE_TEST_SQLITE_WRITER"

// writeUntilKilled saves messages from several goroutines and prints each id once it is acknowledged.
func writeUntilKilled(path string) {
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	for g := range 16 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, n)
				if saved, err := s.SaveMessage(context.Background(), "evt_"+id, received(id)); !saved || err != nil {
					fmt.Fprintln(os.Stderr, saved, err)
					os.Exit(1)
				}
				out.Lock()
				fmt.Println(id)
				out.Unlock()
			}
		}()
	}
	select {}
}

func TestKilledWriterLosesNothing(t *testing.T) {
	path := migrated(t)
	rnd := rand.New(rand.NewPCG(1, 1))
	var acknowledged []string
	for range 5 {
		acknowledged = append(acknowledged, killWriterAfter(t, path, 1+rnd.IntN(500))...)
		s := openAt(t, path, Options{})
		for _, id := range acknowledged {
			if _, known, err := s.Seen(t.Context(), chat1, id); !known || err != nil {
				t.Fatalf("acknowledged message %s is gone: %v", id, err)
			}
		}
		if n := count(t, s); n < len(acknowledged) {
			t.Fatalf("%d messages, %d acknowledged", n, len(acknowledged))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged messages, 5 kills", len(acknowledged))
}

// killWriterAfter runs a child until it has acknowledged n messages, kills it, and returns all that it acknowledged.
func killWriterAfter(t *testing.T, path string, n int) []string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), writerEnv+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if ids = append(ids, lines.Text()); len(ids) == n {
			if err := child.Process.Kill(); err != nil { // SIGKILL: nothing of the child runs any more
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // "signal: killed"
	if len(ids) < n {
		t.Fatalf("the child ended after %d of %d messages", len(ids), n)
	}
	return ids
}
