package jetstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/internal/lanes"
)

const never = time.Hour

func trim(t *testing.T, b *jetstream.Bus) {
	t.Helper()
	if err := jetstream.Trim(b, t.Context()); err != nil {
		t.Fatal(err)
	}
}

// eventSubjects says how many messages of each subject are on disk.
func eventSubjects(t testing.TB, b *jetstream.Bus) map[string]uint64 {
	t.Helper()
	stream, err := b.EventStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), natsjs.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Subjects
}

func wantOnDisk(t *testing.T, b *jetstream.Bus, want map[string]uint64) {
	t.Helper()
	if diff := cmp.Diff(want, eventSubjects(t, b)); diff != "" {
		t.Errorf("on disk (-want +got):\n%s", diff)
	}
}

const (
	eventSubject = "livepipe.events.topic." + topic
	probeSubject = "livepipe.events.probe"
)

func TestTrimDeletesWhatEveryQueueHasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	quiet := jetstream.Queue{Name: "delivery", Topics: []string{"livechat-delivery-updated-v1"}}
	b := openBus(t, jetstream.Config{
		Server: startServer(t, jetstream.ServerConfig{Dir: dir}), Queues: append(table[:2:2], quiet),
	}.TrimmingEvery(never))
	for n := range 100 {
		m := event("lane", n)
		m.Payload = bytes.Repeat([]byte("x"), 100<<10)
		publish(t, b, m)
	}
	history, routing := openSource(t, b, "history"), openSource(t, b, "routing")
	ackAll(t, history, receive(t, history, 100))
	trim(t, b)
	wantOnDisk(t, b, map[string]uint64{eventSubject: 100}) // routing has seen nothing yet

	got := receive(t, routing, 100)
	ackAll(t, routing, got[:40])
	ackAll(t, routing, got[41:])
	trim(t, b)
	wantOnDisk(t, b, map[string]uint64{eventSubject: 60}) // number 40 is still at work
	if _, err := routing.Reread(t.Context(), got[40].Receipt); err != nil {
		t.Error(err)
	}

	ackAll(t, routing, got[40:41])
	trim(t, b)
	wantOnDisk(t, b, map[string]uint64{eventSubject: 1})
	if err := b.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	trim(t, b)
	wantOnDisk(t, b, map[string]uint64{probeSubject: 1})
	if size := sizeOf(t, filepath.Join(dir, "jetstream", "$G", "streams", "livepipe-events", "msgs")); size > 2<<20 {
		t.Errorf("10 MB acknowledged, %d bytes of them still on disk", size)
	}
}

func sizeOf(t *testing.T, dir string) int64 {
	t.Helper()
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func TestTrimKeepsWhatStraysMayWant(t *testing.T) {
	cases := map[string]struct {
		consumer natsjs.ConsumerConfig
		want     map[string]uint64
	}{
		"no filter":    {natsjs.ConsumerConfig{}, map[string]uint64{eventSubject: 5}},
		"one filter":   {natsjs.ConsumerConfig{FilterSubject: eventSubject}, map[string]uint64{eventSubject: 5}},
		"wildcard":     {natsjs.ConsumerConfig{FilterSubject: "livepipe.events.topic.*"}, map[string]uint64{eventSubject: 5}},
		"other events": {natsjs.ConsumerConfig{FilterSubject: "livepipe.events.topic.other"}, map[string]uint64{eventSubject: 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{}), Queues: table[:1]}.TrimmingEvery(never))
			stream, err := b.EventStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tc.consumer.Durable = "stray"
			if _, err := stream.CreateConsumer(t.Context(), tc.consumer); err != nil {
				t.Fatal(err)
			}
			publishRange(t, b, "lane", 0, 5)
			s := openSource(t, b, "history")
			ackAll(t, s, receive(t, s, 5))
			trim(t, b)
			wantOnDisk(t, b, tc.want)
		})
	}
}

func TestTrimDeletesNothingWhileADurableIsMissing(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{})}.TrimmingEvery(never))
	publishRange(t, b, "lane", 0, 5)
	s := openSource(t, b, "history")
	ackAll(t, s, receive(t, s, 5))
	stream, err := b.EventStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteConsumer(t.Context(), "routing"); err != nil {
		t.Fatal(err)
	}
	if err := jetstream.Trim(b, t.Context()); err == nil {
		t.Error("trimmed without a word")
	}
	wantOnDisk(t, b, map[string]uint64{eventSubject: 5})
}

func TestDispatchEventsGoOneByOne(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{}), Queues: withDispatch})
	for n := range 5 {
		if err := b.Publisher().Publish(dispatchTopic, event(fmt.Sprint(n), 0)); err != nil {
			t.Fatal(err)
		}
	}
	s := openSource(t, b, "dispatch")
	got := receive(t, s, 5)
	ackAll(t, s, got[1:]) // the destination of the first is down
	for i, d := range got {
		_, err := s.Reread(t.Context(), d.Receipt)
		if gone := errors.Is(err, lanes.ErrGone); gone != (i > 0) {
			t.Errorf("event %d: %v", i, err)
		}
	}
}

func TestOldestIsTheOneAtWork(t *testing.T) {
	b := openBus(t, jetstream.Config{Server: startServer(t, jetstream.ServerConfig{}), Queues: table[:1]}.TrimmingEvery(never))
	s := openSource(t, b, "history")
	publishRange(t, b, "lane", 0, 5)
	got := receive(t, s, 5)
	first, err := b.Backlog(t.Context(), "history")
	if err != nil {
		t.Fatal(err)
	}
	ackAll(t, s, got[:2])
	ackAll(t, s, got[3:]) // above the floor, and on disk
	third, err := b.Backlog(t.Context(), "history")
	if err != nil || third.Messages != 1 || !third.Oldest.After(first.Oldest) {
		t.Errorf("backlog was %+v, and with one of five left %+v, %v", first, third, err)
	}
	ackAll(t, s, got[2:3])
	if none, err := b.Backlog(t.Context(), "history"); err != nil || none != (jetstream.Backlog{}) {
		t.Errorf("with all acknowledged, though on disk, backlog is %+v, %v", none, err)
	}
}

func TestTrimmerTellsOfAFailureOnce(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	said := make(chan struct{}, 100)
	log := slog.New(slog.NewTextHandler(writer(func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(string(p), "on disk") || strings.Contains(string(p), "deleted again") {
			lines = append(lines, string(p))
			said <- struct{}{}
		}
	}), nil))
	wait := func() {
		t.Helper()
		select {
		case <-said:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing said")
		}
	}
	b, err := jetstream.Open(t.Context(), jetstream.Config{
		Server: startServer(t, jetstream.ServerConfig{}), Queues: table, Logger: log,
	}.TrimmingEvery(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	stream, err := b.EventStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteConsumer(t.Context(), "routing"); err != nil {
		t.Fatal(err)
	}
	publishRange(t, b, "lane", 0, 2)
	wait()
	for range 20 { // as many rounds may fail as fit into 20 fsyncs
		publishRange(t, b, "lane", 2, 3)
	}
	if err := jetstream.EnsureQueue(b, t.Context(), table[1]); err != nil {
		t.Fatal(err)
	}
	wait()
	mu.Lock()
	defer mu.Unlock()
	if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[1], "level=INFO") {
		t.Errorf("logged:\n%s", strings.Join(lines, ""))
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}
