package jetstream_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/internal/jetstream"
)

// TestTornLastRecordLosesNothingAcknowledged cuts the last block file of the stream at every byte of a record that was
// being written when the machine died.
func TestTornLastRecordLosesNothingAcknowledged(t *testing.T) {
	const acknowledged = 20
	dir := t.TempDir()
	server := startServer(t, jetstream.ServerConfig{Dir: dir})
	b := openBus(t, jetstream.Config{Server: server, Queues: table[:1]})
	publishRange(t, b, "lane", 0, acknowledged)
	whole := blockSize(t, dir)
	publishRange(t, b, "lane", acknowledged, acknowledged+1)
	crashed := t.TempDir() // as the files are while the server runs: no clean shutdown
	if err := os.CopyFS(filepath.Join(crashed, "store"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	end := blockSize(t, dir)
	if end-whole < 50 {
		t.Fatalf("the last record has %d bytes: the block is not where this test looks for it", end-whole)
	}

	var cuts atomic.Int32
	var group errgroup.Group
	group.SetLimit(2)
	for size := whole; size < end; size++ {
		group.Go(func() error {
			cuts.Add(1)
			copied := filepath.Join(crashed, fmt.Sprintf("cut%d", size))
			defer os.RemoveAll(copied)
			err := errors.Join(
				os.CopyFS(copied, os.DirFS(filepath.Join(crashed, "store"))),
				os.Truncate(blockFile(copied), size),
			)
			if err == nil {
				err = openTorn(t, copied, acknowledged)
			}
			if err != nil {
				return fmt.Errorf("cut at byte %d of %d: %w", size-whole, end-whole, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d cuts tried", cuts.Load())
}

// openTorn starts a server on the torn files and expects all that was acknowledged, and room for more.
func openTorn(t *testing.T, dir string, acknowledged int) (err error) {
	quiet := slog.New(slog.DiscardHandler)
	server, err := jetstream.StartServer(t.Context(), jetstream.ServerConfig{Dir: dir, Logger: quiet})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Shutdown()) }()
	b, err := jetstream.Open(t.Context(), jetstream.Config{Server: server, Queues: table[:1], Logger: quiet})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.Publisher().Publish(topic, event("new", 0)); err != nil {
		return err
	}
	s, err := b.Source(t.Context(), "history")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	got := payloads(receiveFirsts(t, s, acknowledged+1))
	if diff := cmp.Diff(append(wantPayloads("lane", 0, acknowledged), "new 0"), got); diff != "" {
		return fmt.Errorf("received (-want +got):\n%s", diff)
	}
	return nil
}

func blockFile(dir string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", "livepipe-events", "msgs", "1.blk")
}

func blockSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(blockFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
