package app_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/app"
	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/jetstream"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/internal/secrets"
	"github.com/livepipe/livepipe/internal/sqlite"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/hashicorp/golang-lru/v2/expirable.NewLRU[...].func1"), // the library has no way to end it
	)
}

// pigeon is a second channel, with words of its own. Nothing in ingress, router or workers knows it.
func pigeon() channels.Channel {
	decode := func(r channels.Request) (channels.Received, error) {
		coop, note, ok := strings.Cut(string(r.Body), "|")
		if !ok {
			return channels.Received{}, &channels.Invalid{Code: channels.CodeInvalidField, Field: "note", Detail: "Write coop|note."}
		}
		return channels.Received{
			Events: []messages.Event{messages.MessageReceived{
				Origin: messages.Origin{Channel: "pigeon", Chat: messages.Chat{Tenant: r.Identity.Tenant, ChatID: coop}},
				Message: messages.Message{
					ID: note, Type: messages.MessageText, Text: &note, Author: messages.Author{ID: "p", Type: "pigeon"},
					CreatedAt: r.ReceivedAt.UTC().Format(time.RFC3339Nano),
				},
			}},
			Reply: func(time.Time) any { return map[string]string{"landed": note} },
		}, nil
	}
	return channels.Channel{
		Name: "pigeon",
		Identify: func(segment string) (channels.Identity, error) {
			return channels.Identity{Tenant: messages.Tenant{Org: "loft", LiveChat: segment}}, nil
		},
		Endpoints: []channels.Endpoint{{Path: "/pigeons/:identifier", Actions: map[string]channels.Action{"": {Decode: decode}}}},
	}
}

// running is one app on files of its own.
type running struct {
	url   string
	store *sqlite.Store
	stop  func() error
}

// run starts an app with every role, the real bus, store and files, and the pigeon channel.
func run(t *testing.T) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "livepipe.db")
	must(sqlite.Migrate(ctx, path))
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	must(err)
	files, err := blobs.Open(ctx, (&url.URL{Scheme: "file", Path: filepath.Join(dir, "blobs")}).String())
	must(err)
	server, err := jetstream.StartServer(ctx, jetstream.ServerConfig{Dir: filepath.Join(dir, "bus"), Logger: log})
	must(err)
	var queues []jetstream.Queue
	for _, b := range router.Table() {
		q := jetstream.Queue{Name: b.Worker}
		for _, typ := range b.Types {
			q.Topics = append(q.Topics, typ.Topic())
		}
		queues = append(queues, q)
	}
	bus, err := jetstream.Open(ctx, jetstream.Config{Server: server, Queues: queues, Logger: log})
	must(err)

	config := ingress.DefaultConfig()
	config.Loopback = true
	config.UploadDir = dir
	key, err := secrets.Load(filepath.Join(dir, "secret.key"))
	must(err)
	started, ended := make(chan app.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, app.Options{
			Logger: log, Registry: prometheus.NewRegistry(), Store: db, Blobs: files, Grace: 20 * time.Second,
			AdminAddr: "127.0.0.1:0",
			Bus: app.Bus{
				Publisher: bus.Publisher(), DeadLetters: bus.DeadLetters(), Health: bus.Health, Repair: server.Restart, Engine: lanes.Config{Lease: jetstream.AckWait},
				Source: func(ctx context.Context, q string) (lanes.Source, error) { return bus.Source(ctx, q) },
				Backlog: func(ctx context.Context, q string) (int64, time.Time, error) {
					b, err := bus.Backlog(ctx, q)
					return b.Messages, b.Oldest, err
				},
			},
			Ingress: &app.IngressOptions{Addr: "127.0.0.1:0", Config: config, Channels: []channels.Channel{pigeon()}, Secrets: key},
			Router:  &app.RouterOptions{Workers: router.Table(), Rules: rules.Default(), Concurrency: 8},
			Started: func(a app.Addresses) { started <- a },
		})
	}()
	stop := func() error {
		cancel()
		err := <-ended
		must(bus.Close())
		must(server.Shutdown())
		must(files.Close())
		must(db.Close())
		return err
	}
	select {
	case a := <-started:
		return running{"http://" + a.HTTP, db, stop}
	case err := <-ended:
		t.Fatalf("ended at start: %v", err)
		return running{}
	}
}

// TestTwoAppsAndASecondChannel: two apps live in one process beside each other, and a channel that no room has heard of
// goes through ingress, bus and worker into history.
func TestTwoAppsAndASecondChannel(t *testing.T) {
	apps := []running{run(t), run(t)}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i, a := range apps {
		note := []string{"first", "second"}[i]
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/pigeons/north", strings.NewReader("coop|"+note))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := `{"landed":"` + note + `"}`; resp.StatusCode != http.StatusOK || strings.TrimSpace(string(answer)) != want {
			t.Errorf("answer %d %s, want %s", resp.StatusCode, answer, want)
		}
		page := stored(t, a.store, messages.Chat{Tenant: messages.Tenant{Org: "loft", LiveChat: "north"}, ChatID: "coop"})
		if page.Total != 1 || page.Entries[0].ID != note || page.Entries[0].Author.Type != "pigeon" {
			t.Errorf("history of app %d: %+v", i, page)
		}
	}
	for _, a := range apps {
		if err := a.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

// stored looks until the chat has a message.
func stored(t *testing.T, db *sqlite.Store, chat messages.Chat) store.Page {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		page, err := db.Page(t.Context(), store.Query{Chat: chat, Limit: 10})
		if err == nil {
			return page
		}
		<-tick.C
	}
	t.Fatal("nothing was stored within 10 s")
	return store.Page{}
}
