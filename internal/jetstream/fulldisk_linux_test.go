package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/messages"
)

// smallDisk mounts 8 MiB of memory as a disk.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mounting a small tmpfs is not allowed (%v): run as root with CAP_SYS_ADMIN", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no byte free, and returns what frees them again.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := 1 << 20; chunk > 0; {
		if _, err := f.Write(make([]byte, chunk)); errors.Is(err, syscall.ENOSPC) {
			chunk /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullDiskRefusesAndRecoversByRestart(t *testing.T) {
	disk := smallDisk(t)
	server := startServer(t, jetstream.ServerConfig{Dir: disk})
	b := openBus(t, jetstream.Config{Server: server})
	if err := b.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	free := fill(t, disk)

	var acked []string // with what is left of the last page some may still fit
	for n := range 1000 {
		m := event("lane", n)
		m.Payload = bytes.Repeat([]byte("x"), 4096+n)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m.SetContext(ctx)
		err := b.Publisher().Publish(topic, m)
		if messages.IsUnavailable(err) {
			t.Logf("after %d events: %v", n, err)
			break
		}
		if err != nil || n == 999 {
			t.Fatalf("event %d on a full disk: %v", n, err)
		}
		acked = append(acked, m.UUID)
	}
	if err := b.Health(t.Context()); err == nil {
		t.Error("a bus that cannot write is healthy")
	}
	if err := server.Restart(t.Context()); err == nil {
		t.Error("restart on a full disk is no error")
	}
	free()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, event("lane", 1000))
	if err := b.Health(t.Context()); err != nil {
		t.Error(err)
	}

	// What was refused may have been kept after all; what was acknowledged must have been.
	wanted := append(acked, "lane-1000")
	var got []string
	s := openSource(t, b, "history")
	for len(got) == 0 || got[len(got)-1] != "lane-1000" {
		got = append(got, receive(t, s, 1)[0].Message.UUID)
	}
	if len(got) > len(wanted) {
		got = append(got[:len(acked)], "lane-1000")
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("after the recovery (-want +got):\n%s", diff)
	}
}
