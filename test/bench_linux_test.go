package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The figures of docs/benchmarks.md that need the whole pipeline. Each is printed next to something honest that was
// measured in the same run; nothing here passes or fails by a figure.

func serveForBenchmark(b *testing.B) (*process, string) {
	b.Helper()
	dir := b.TempDir()
	env := []string{"LIVEPIPE_DATA=" + filepath.Join(dir, "data"), "LIVEPIPE_LOG_LEVEL=error", "LIVEPIPE_ADDRESS_RATE=0"}
	return start(b, env, "serve"), dir
}

// BenchmarkDurable200s counts webhooks answered 200, with 64 connections, next to what the disk can fsync alone.
func BenchmarkDurable200s(b *testing.B) {
	p, dir := serveForBenchmark(b)
	for b.Loop() {
		fsyncs := fsyncRate(b, dir, 3*time.Second)
		l := newLoad(p.URL)
		begun := time.Now()
		l.resume(p.URL)
		<-time.After(10 * time.Second)
		l.end()
		rate := float64(l.accepted.Load()) / time.Since(begun).Seconds()
		b.ReportMetric(rate, "200s/s")
		b.ReportMetric(fsyncs, "fsyncs/s")
		b.ReportMetric(rate/fsyncs, "200s/fsync")
	}
}

// fsyncRate appends 512 bytes and syncs, one after the other.
func fsyncRate(b *testing.B, dir string, how time.Duration) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block, n, begun := make([]byte, 512), 0, time.Now()
	for ; time.Since(begun) < how; n++ {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(begun).Seconds()
}

// BenchmarkVisible measures from a webhook's 200 to the answer of a fetch that shows the message, at 500 messages a
// second for a minute. Fetching waits for the caller's own message, so one fetch right after the 200 is the measure.
func BenchmarkVisible(b *testing.B) {
	const rate, seconds = 500, 60
	p, _ := serveForBenchmark(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 20 * time.Second}
	for b.Loop() {
		var mu sync.Mutex
		var took []time.Duration
		missed := 0
		var sending sync.WaitGroup
		tick := time.NewTicker(time.Second / rate)
		for n := range rate * seconds {
			<-tick.C
			sending.Go(func() {
				d, ok := visible(client, p.URL, n)
				mu.Lock()
				defer mu.Unlock()
				if !ok {
					missed++
					return
				}
				took = append(took, d)
			})
		}
		tick.Stop()
		sending.Wait()
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(missed), "missed")
	}
}

func visible(client *http.Client, url string, n int) (time.Duration, bool) {
	chat, id := fmt.Sprintf("chat_%d", n%conversations), fmt.Sprintf("msg_%d", n)
	at := time.Date(2024, 1, 15, 0, 0, 0, n*1000, time.UTC).Format(time.RFC3339Nano)
	body := fmt.Sprintf(`{"event":"incoming_message","chat_id":%q,"message":{"id":%q,"type":"text","text":"n","author":{"id":"v","type":"visitor"},"created_at":%q}}`, chat, id, at)
	status, _, err := try(client, url+"/livechat/"+identifier, body)
	accepted := time.Now()
	if err != nil || status != http.StatusOK {
		return 0, false
	}
	status, answer, err := try(client, url+"/livechat/"+identifier+"?action=fetch_messages&limit=5&chat_id="+chat, "")
	return time.Since(accepted), err == nil && status == http.StatusOK && strings.Contains(answer, `"`+id+`"`)
}

// BenchmarkUploadMemory prints how much more memory than idle the process holds at its peak while 64 clients upload
// 10 MiB each at once.
func BenchmarkUploadMemory(b *testing.B) {
	p, _ := serveForBenchmark(b)
	if status, _, err := try(http.DefaultClient, p.URL+"/webhooks/livechat/"+identifier,
		`{"event_type":"incoming_chat","chat_id":"chat_abc123","message":{"id":"m","text":"t","timestamp":"2024-01-15T10:30:00Z"},"visitor":{"id":"v"}}`); err != nil || status != http.StatusOK {
		b.Fatal(status, err)
	}
	try(http.DefaultClient, p.URL+"/livechat/"+identifier+"?action=fetch_messages&chat_id=chat_abc123", "")
	file := bytes.Repeat([]byte("livepipe uploads are streamed.\n"), 10<<20/31)
	for b.Loop() {
		resetPeak(b, p)
		idle := memory(b, p, "VmHWM")
		var uploads sync.WaitGroup
		refused := 0
		for range 64 {
			uploads.Go(func() {
				if status, _ := upload(b, p.URL, "chat_abc123", "notes.txt", "text/plain", file); status != http.StatusOK {
					refused++
				}
			})
		}
		uploads.Wait()
		b.ReportMetric(float64(memory(b, p, "VmHWM")-idle)/1024, "MiB-above-idle")
		b.ReportMetric(float64(idle)/1024, "MiB-idle")
		b.ReportMetric(float64(refused), "refused")
	}
}

// resetPeak makes the kernel count the peak anew.
func resetPeak(b *testing.B, p *process) {
	b.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0o200); err != nil {
		b.Logf("the peak since start is shown, because it cannot be reset: %v", err)
	}
}

// memory reads one line of the kernel's account of the process, in KiB.
func memory(b *testing.B, p *process, line string) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(l, line+":"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return kib
		}
	}
	b.Fatalf("no %s in the status of the process", line)
	return 0
}
