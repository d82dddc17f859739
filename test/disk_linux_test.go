package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk holds F15: on a full disk no 200 and no readiness; once there is space everything works again, in the
// same process, and nothing that got a 200 is lost.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("a small disk cannot be mounted (%v): run the test as root, or in `unshare -rm`, to enable it", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	p := start(t, []string{"LIVEPIPE_DATA=" + filepath.Join(disk, "data"), "LIVEPIPE_ADDRESS_RATE=0"}, "serve")
	t.Cleanup(p.kill) // before the unmount
	l := newLoad(p.URL)
	l.resume(p.URL)
	l.until(t, 500)

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	eventually(t, "readiness is false", func() bool { code, _, _ := get(t, p.Admin+"/readyz"); return code == http.StatusServiceUnavailable })
	before := l.accepted.Load()
	eventually(t, "posts get a 503", func() bool {
		status, _, err := try(l.client, p.URL+"/livechat/"+identifier, strings.ReplaceAll(spec(t, "receive-message.request"), "chat_abc123", "chat_full"))
		return err == nil && status == http.StatusServiceUnavailable
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "readiness is true again", func() bool { code, _, _ := get(t, p.Admin+"/readyz"); return code == http.StatusOK })
	l.until(t, 500)
	l.end()
	t.Logf("%d accepted before the disk was full, %d in all", before, l.accepted.Load())
	l.check(t, &site{stack: stacks[0], ingress: p})
}

// fill writes until nothing fits any more.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}
